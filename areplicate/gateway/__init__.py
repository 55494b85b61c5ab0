"""The OpenAI-compatible server: `areplicate --config config.yaml`.

Every client of OpenAI's API (its SDKs, curl, LangChain, editors) talks to Replicate's models through
it, with keys, limits, budgets and figures. It needs the extra: `pip install 'areplicate[gateway]'`.
"""
