"""areplicate inside other libraries: LiteLLM, LangChain, LlamaIndex, llm and Ray."""
