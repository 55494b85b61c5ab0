"""The families of well-known models, by nothing but their names, as their owners and others spell them."""

from __future__ import annotations

import re

import pytest

from areplicate.chat.formats.families import FAMILIES, family_of

NAMES = {
    "llama-2": "abacusai/Smaug-34B-v0.1 Viet-Mistral/Vistral-7B-Chat hfl/chinese-alpaca-2-7b meta-llama/Llama-2-7b-chat-hf meta/llama-2-70b-chat TheBloke/Llama-2-13B-chat-GPTQ "
    "meta/codellama-34b-instruct codellama/CodeLlama-7b-Instruct-hf daryl149/llama-2-7b-chat-hf "
    "jondurbin/airoboros-l2-70b-3.1 h2oai/h2ogpt-4096-llama2-7b-chat elyza/ELYZA-japanese-Llama-2-7b-instruct "
    "TheBloke/Llama-2-70B-Chat-AWQ accounts/llama-v2-7b-chat",
    "codellama-70b": "codellama/CodeLlama-70b-Instruct-hf meta/codellama-70b-instruct",
    "llama-3": "kakaocorp/kanana-1.5-8b-instruct-2505 ytu-ce-cosmos/Turkish-Llama-8b-DPO-v0.1 mlabonne/NeuralDaredevil-8B-abliterated meta/meta-llama-3-8b-instruct meta-llama/Meta-Llama-3-70B-Instruct "
    "lucataco/llama-3-8b-instruct-awq Groq/Llama-3-Groq-8B-Tool-Use Groq/Llama-3-Groq-70B-Tool-Use "
    "aaditya/Llama3-OpenBioLLM-70B Sao10K/L3-8B-Stheno-v3.2 NeverSleep/Llama-3-Lumimaid-8B-v0.1 "
    "gradientai/Llama-3-8B-Instruct-Gradient-1048k lucataco/ollama-llama3-70b llama-v3-8b-instruct "
    "abacusai/Smaug-Llama-3-70B-Instruct VAGOsolutions/Llama-3-SauerkrautLM-8b-Instruct "
    "deepcogito/cogito-v1-preview-llama-8b NousResearch/Hermes-4-70B NousResearch/Hermes-4-405B-FP8 "
    "NousResearch/DeepHermes-3-Llama-3-8B-Preview llava-hf/llava-llama-3-8b-v1_1 lmms-lab/llama3-llava-next-8b meta_llama_3_8b_instruct openbmb/MiniCPM-Llama3-V-2_5",
    "llama-3.1": "FreedomIntelligence/HuatuoGPT-o1-8B ilsp/Llama-Krikri-8B-Instruct TheDrummer/Anubis-70B-v1 CYFRAGOVPL/Llama-PLLuM-8B-instruct LumiOpen/Llama-Poro-2-8B-Instruct facebook/Meta-SecAlign-70B meta/meta-llama-3.1-405b-instruct meta-llama/Llama-3.1-8B-Instruct "
    "meta-llama/Llama-3.3-70B-Instruct "
    "unsloth/Meta-Llama-3.1-8B-Instruct-bnb-4bit "
    "hugging-quants/Meta-Llama-3.1-8B-Instruct-AWQ-INT4 llama-v3p1-70b-instruct llama3.1-8b-instruct-q4_K_M "
    "mattshumer/Reflection-Llama-3.1-70B lucataco/ollama-llama3.3-70b nvidia/Llama-3_1-Nemotron-51B-Instruct "
    "meta/llama-3.3-70b Sao10K/L3.3-70B-Euryale-v2.3",
    "nemotron-super-1.5": "nvidia/Llama-3_3-Nemotron-Super-49B-v1_5",
    "nemotron-70b": "nvidia/Llama-3.1-Nemotron-Nano-8B-v1 nvidia/Llama-3_3-Nemotron-Super-49B-v1 nvidia/Llama-3_1-Nemotron-Ultra-253B-v1 nvidia/Llama-3.1-Nemotron-70B-Instruct-HF nvidia/nemotron-70b-instruct",
    "nemotron-nano-2": "nvidia/NVIDIA-Nemotron-Nano-9B-v2 nvidia/NVIDIA-Nemotron-Nano-12B-v2",
    "nemotron-h": "nvidia/Nemotron-H-47B-Reasoning-128K nvidia/Nemotron-H-8B-Reasoning-128K-FP8",
    "rnj-1": "essentialai/rnj-1-instruct",
    "apertus": "swiss-ai/Apertus-8B-Instruct-2509 swiss-ai/Apertus-70B-Instruct-2509",
    "apriel-1.5": "ServiceNow-AI/Apriel-1.5-15b-Thinker ServiceNow-AI/Apriel-Nemotron-15b-Thinker",
    "apriel-1.6": "ServiceNow-AI/Apriel-1.6-15b-Thinker",
    "ling": "inclusionAI/Ling-lite-1.5 inclusionAI/Ling-plus",
    "ling-2": "inclusionAI/Ling-1T someone/ling-1t inclusionAI/Ling-flash-2.0 inclusionAI/Ling-mini-2.0",
    "ling-3": "inclusionAI/Ling-3.0-flash inclusionAI/Ling-3.0-tiny",
    "ring-2": "inclusionAI/Ring-1T inclusionAI/Ring-flash-2.0 inclusionAI/Ring-lite",
    "longcat": "meituan-longcat/LongCat-Flash-Chat",
    "longcat-thinking": "meituan-longcat/LongCat-Flash-Thinking",
    "step-3.5": "stepfun-ai/Step-3.7-Flash stepfun-ai/Step-3.5-Flash",
    "mimo-v2": "XiaomiMiMo/MiMo-V2-Flash",
    "mimo-v2.5": "XiaomiMiMo/MiMo-V2.5-Pro",
    "mimo": "XiaomiMiMo/MiMo-7B-RL XiaomiMiMo/MiMo-VL-7B-RL",
    "iquest-coder": "IQuestLab/IQuest-Coder-V1-40B-Instruct",
    "ernie-4.5-thinking": "baidu/ERNIE-4.5-21B-A3B-Thinking",
    "openbuddy-2": "OpenBuddy/openbuddy-llama3-8b-v21.1-8k OpenBuddy/openbuddy-llama3.1-8b-v22.1-131k",
    "openbuddy": "OpenBuddy/openbuddy-mistral-7b-v17.1-32k OpenBuddy/openbuddy-mixtral-7bx8-v18.1-32k OpenBuddy/openbuddy-zephyr-7b-v14.1",
    "dots-1": "rednote-hilab/dots.llm1.inst",
    "deepseek-v3.2": "someone/DeepSeek-V3.2",
    "deepseek-v4": "someone/deepseek-v4-flash unsloth/DeepSeek-V4-Pro",
    "kimi-k2-thinking": "moonshotai-community/Kimi-K2-Thinking",
    "kimi-k2.5": "unsloth/Kimi-K2.5 someone/kimi-k2.6",
    "moonlight": "moonshotai-community/Moonlight-16B-A3B-Instruct someone/Kimi-VL-A3B-Instruct",
    "glm-4.5v": "zai-org/GLM-4.5V zai-org/GLM-4.6V-Flash",
    "qvq": "Qwen/QVQ-72B-Preview",
    "opencoder": "infly/OpenCoder-8B-Instruct",
    "sailor-2": "sail/Sailor2-20B-Chat",
    "llama-3.2": "meta-llama/Llama-3.2-3B-Instruct meta-llama/Llama-3.2-11B-Vision-Instruct Xkev/Llama-3.2V-11B-cot pku-yuangroup/llava-cot "
    "lucataco/ollama-llama3.2-vision-90b qubit999/llama3.2-3b-instruct",
    "llama-4": "meta/llama-4-scout-instruct meta-llama/Llama-4-Maverick-17B-128E-Instruct",
    "mistral-v0.1": "mistralai/Mistral-7B-Instruct-v0.1 TheBloke/Mistral-7B-Instruct-v0.1-GGUF",
    "mistral": "prometheus-eval/prometheus-7b-v2.0 Equall/Saul-7B-Instruct-v1 mistralai/Mistral-7B-Instruct-v0.2 mistralai/Mixtral-8x7B-Instruct-v0.1 "
    "TheBloke/Mixtral-8x7B-Instruct-v0.1-GPTQ llava-hf/llava-v1.6-mistral-7b-hf yorickvp/llava-v1.6-mistral-7b miqudev/miqu-1-70b llava-hf/LLaVA-NeXT-Video-7B-32K-hf",
    "mistral-v3": "TheDrummer/Behemoth-123B-v1 mistralai/Mistral-7B-Instruct-v0.3 mistralai/Mixtral-8x22B-Instruct-v0.1 "
    "mistralai/Codestral-22B-v0.1 mistralai/Mistral-Large-Instruct-2407 mistralai/mathstral-7B-v0.1 "
    "mistralai/Mistral-Small-Instruct-2409",
    "mistral-tekken": "mistralai/ministral-3b-2410 mistralai/Mistral-Nemo-Instruct-2407 mistralai/Pixtral-12B-2409 "
    "mistralai/Ministral-8B-Instruct-2410 bartowski/Mistral-Nemo-Instruct-2407-GGUF",
    "mistral-v7": "mistralai/Mistral-Large-Instruct-2411 mistralai/Pixtral-Large-Instruct-2411",
    "mistral-small-3": "mistralai/Mistral-Small-24B-Instruct-2501 mistralai/Mistral-Small-3.1-24B-Instruct-2503",
    "mistral-small-3.2": "mistralai/Mistral-Small-3.2-24B-Instruct-2506",
    "devstral": "mistralai/Devstral-Small-2505 lucataco/devstral-small",
    "devstral-2507": "mistralai/Devstral-Small-2507",
    "magistral": "mistralai/Magistral-Small-2506",
    "mistral-v7-tekken": "TheDrummer/Cydonia-24B-v4 arcee-ai/Arcee-Blitz mistralai/Mistral-Small-Instruct-2510 mistralai/Voxtral-Mini-3B-2507",
    "mistral-v13": "mistralai/Leanstral-2603 mistralai/Mistral-Large-3-675B-Instruct-2512 mistralai/Ministral-3-3B-Instruct-2512 "
    "mistralai/Magistral-Small-2509 mistralai/Devstral-Small-2-24B-Instruct-2512 "
    "mistralai/Devstral-2-123B-Instruct-2512 mistralai/Mistral-Small-4-119B-2603",
    "ministral-3-reasoning": "mistralai/Ministral-3-14B-Reasoning-2512",
    "lfm-2": "LiquidAI/LFM2-1.2B LiquidAI/LFM2.5-8B-A1B LiquidAI/LFM2-VL-1.6B",
    "qwen-1.5": "Qwen/Qwen1.5-72B-Chat Qwen/Qwen1.5-7B-Chat-AWQ",
    "qwen-2": "Qwen/Qwen2-57B-A14B-Instruct Qwen/Qwen2-7B-Instruct Qwen/Qwen2-72B-Instruct-GPTQ-Int4 Qwen/Qwen-14B-Chat Qwen/Qwen2-VL-7B-Instruct "
    "Qwen/Qwen2.5-VL-72B-Instruct lucataco/qwen-vl-chat stabilityai/stable-code-instruct-3b",
    "qwen-2.5": "all-hands/openhands-lm-32b-v0.1 SWE-bench/SWE-agent-LM-32B katanemo/Arch-Router-1.5B simplescaling/s1.1-32B GAIR/LIMO arcee-ai/SuperNova-Medius arcee-ai/Virtuoso-Large arcee-ai/Arcee-Maestro-7B-Preview katanemo/Arch-Function-7B microsoft/Fara-7B Qwen/Qwen2.5-7B-Instruct Qwen/Qwen2.5-Coder-32B-Instruct Qwen/Qwen2.5-72B-Instruct-AWQ "
    "bartowski/Qwen2.5-14B-Instruct-GGUF lucataco/ollama-qwen2.5-72b someone/qwen2.5-7b-finetuned unsloth/Kimi-Dev-72B-GGUF "
    "qwen2p5-72b-instruct Qwen/QwQ-32B-Preview",
    "qwen-2.5-math": "Qwen/Qwen2.5-Math-72B-Instruct",
    "qwen-3.5": "Qwen/Qwen3.5-4B unsloth/Qwen3.6-35B-A3B-GGUF",
    "qwen-3": "Menlo/Jan-nano Menlo/Lucy POLARIS-Project/Polaris-4B-Preview janhq/Jan-v1-4B Intelligent-Internet/II-Medical-8B Alibaba-NLP/Tongyi-DeepResearch-30B-A3B agentica-org/DeepSWE-Preview Kwaipilot/KAT-Dev aisingapore/Qwen-SEA-LION-v4-32B-IT baichuan-inc/Baichuan-M3-235B Qwen/Qwen3-8B Qwen/Qwen3-235B-A22B Qwen/Qwen3-32B-AWQ Qwen/Qwen3-Omni-30B-A3B-Thinking",
    "qwen-3-thinking": "Qwen/Qwen3-30B-A3B-Thinking-2507 Tongyi-Zhiwen/QwenLong-L1.5-30B-A3B",
    "qwen-3-coder": "Qwen/Qwen3-Coder-480B-A35B-Instruct",
    "qwen-3-next": "Qwen/Qwen3-Next-80B-A3B-Instruct qwen/qwen3-235b-a22b-instruct-2507 Qwen/Qwen3-4B-Instruct-2507 AIDC-AI/Marco-Mini-Instruct",
    "qwq": "PrimeIntellect/INTELLECT-2 Qwen/QwQ-32B lucataco/ollama-qwq-32b Qwen/QwQ-32B-AWQ",
    "chatml": "Kwaipilot/KAT-V1-40B OpenPipe/Deductive-Reasoning-Qwen-32B nvidia/Nemotron-Cascade-14B-Thinking nvidia/Nemotron-Cascade-2-30B-A3B nvidia/Nemotron-Orchestrator-8B arcee-ai/Arcee-Nova BramVanroy/fietje-2-chat vilm/vinallama-7b-chat Unbabel/TowerInstruct-13B-v0.1 fblgit/una-cybertron-7b-v2-bf16 LatitudeGames/Wayfarer-12B nothingiisreal/MN-12B-Celeste-V1.9 aetherwiing/MN-12B-Starcannon-v2 croissantllm/CroissantLLMChat-v0.1 cyberagent/calm3-22b-chat trillionlabs/Tri-21B inflatebot/MN-12B-Mag-Mell-R1 Kwai-Keye/Keye-VL-8B-Preview MBZUAI-IFM/K2-Think arcee-ai/Trinity-Mini arcee-ai/AFM-4.5B deepcogito/cogito-v1-preview-qwen-32b nvidia/AceReason-Nemotron-14B nvidia/OpenMath-Nemotron-7B "
    "DiscoResearch/DiscoLM-mixtral-8x7b-v2 cognitivecomputations/Dolphin3.0-Qwen2.5-3b "
    "01-ai/Yi-34B-Chat HuggingFaceTB/SmolLM-360M-Instruct cognitivecomputations/dolphin-2.9-llama3-8b nateraw/mistral-7b-openorca "
    "microsoft/Orca-2-13b internlm/internlm2-chat-20b internlm/internlm2_5-7b-chat upstage/solar-pro-preview-instruct "
    "HuggingFaceH4/zephyr-7b-gemma-v0.1 Snowflake/snowflake-arctic-instruct stabilityai/stablelm-2-12b-chat "
    "mlabonne/phixtral-2x2_8 liuhaotian/llava-v1.6-34b lmms-lab/llava-next-72b lmms-lab/LLaVA-OneVision-1.5-8B-Instruct internlm/Intern-S1-mini openbmb/MiniCPM-2B-128k yorickvp/llava-v1.6-34b mlabonne/NeuralBeagle14-7B "
    "cognitivecomputations/dolphin-2.5-mixtral-8x7b tiiuae/Falcon-H1-7B-Instruct openbmb/MiniCPM3-4B "
    "cognitivecomputations/dolphin-2_6-phi-2 utter-project/EuroLLM-9B-Instruct anthracite-org/magnum-v4-72b",
    "hermes": "NousResearch/Hermes-3-Llama-3.1-8B NousResearch/Hermes-2-Pro-Llama-3-8B "
    "teknium/OpenHermes-2.5-Mistral-7B NousResearch/Nous-Hermes-2-Mixtral-8x7B-DPO "
    "NousResearch/Nous-Hermes-2-Yi-34B nateraw/nous-hermes-2-solar-10.7b NousResearch/Hermes-4-14B NousResearch/Hermes-4.3-36B",
    "dbrx": "databricks/dbrx-instruct",
    "mpt-chat": "mosaicml/mpt-7b-chat mosaicml/mpt-30b-chat",
    "smollm": "HuggingFaceTB/SmolLM2-1.7B-Instruct",
    "smollm-3": "HuggingFaceTB/SmolLM3-3B",
    "olmo-3": "allenai/Olmo-3-7B-Instruct",
    "olmo-3.1": "allenai/Olmo-3.1-32B-Instruct",
    "olmo-3-think": "allenai/Olmo-3-32B-Think",
    "yi-1.5": "01-ai/Yi-1.5-34B-Chat 01-ai/Yi-1.5-9B-Chat-16K",
    "zephyr": "BramVanroy/GEITje-7B-ultra ilsp/Meltemi-7B-Instruct-v1.5 HuggingFaceH4/zephyr-7b-beta HuggingFaceH4/zephyr-7b-alpha TinyLlama/TinyLlama-1.1B-Chat-v1.0 "
    "argilla/notus-7b-v1 TheBloke/zephyr-7B-beta-GGUF",
    "stablelm-zephyr": "stabilityai/stablelm-zephyr-3b stabilityai/stablelm-2-zephyr-1_6b",
    "stablelm": "stabilityai/stablelm-tuned-alpha-7b",
    "phi-3": "numind/NuExtract numind/NuExtract-v1.5 microsoft/Phi-3-mini-4k-instruct microsoft/Phi-3.5-mini-instruct microsoft/Phi-3-medium-128k-instruct "
    "microsoft/Phi-3-vision-128k-instruct xtuner/llava-phi-3-mini-hf",
    "phi-4": "microsoft/phi-4 unsloth/phi-4-GGUF",
    "phi-4-reasoning": "microsoft/Phi-4-reasoning microsoft/phi-4-reasoning-plus",
    "phi-4-mini-reasoning": "microsoft/Phi-4-mini-reasoning",
    "phi-4-mini": "microsoft/Phi-4-mini-instruct microsoft/Phi-4-multimodal-instruct",
    "gemma": "Unbabel/Tower-Plus-9B silma-ai/SILMA-9B-Instruct-v1.0 google/gemma-2-9b-it google/gemma-7b-it google/gemma-3-27b-it google-deepmind/gemma2-27b-it "
    "google/codegemma-7b-it lucataco/ollama-gemma2-27b someone/gemma-2-9b-finetuned "
    "princeton-nlp/gemma-2-9b-it-SimPO bartowski/gemma-2-27b-it-GGUF "
    "google/medgemma-4b-it google/translategemma-4b-it google/gemma-3-4b-it",
    "deepseek-r1": "nvidia/Nemotron-Research-Reasoning-Qwen-1.5B Zyphra/ZR1-1.5B microsoft/MAI-DS-R1 agentica-org/DeepScaleR-1.5B-Preview Skywork/Skywork-OR1-32B-Preview "
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B deepseek-ai/DeepSeek-R1-Distill-Llama-70B "
    "unsloth/DeepSeek-R1-Distill-Llama-8B-GGUF perplexity-ai/r1-1776",
    "deepseek-0324": "deepseek-ai/DeepSeek-R1-0528 deepseek-ai/DeepSeek-V3-0324",
    "deepseek-v2-0628": "someone/DeepSeek-V2-Chat-0628",
    "deepseek": "someone/DeepSeek-Coder-V2-Instruct-0724 deepcogito/cogito-v2-preview-deepseek-671B-MoE deepcogito/cogito-671b-v2.1 Skywork/Skywork-OR1-32B unsloth/DeepSeek-V3 deepseek-ai/DeepSeek-V2.5-1210",
    "deepseek-llm": "deepseek-ai/deepseek-llm-67b-chat deepseek-ai/deepseek-math-7b-instruct "
    "deepseek-ai/DeepSeek-V2-Lite-Chat deepseek-ai/DeepSeek-Coder-V2-Instruct",
    "deepseek-coder": "deepseek-ai/deepseek-coder-33b-instruct TheBloke/deepseek-coder-6.7B-instruct-AWQ",
    "vicuna": "jphme/em_german_leo_mistral lmsys/vicuna-13b-v1.5 lmsys/vicuna-7b-v1.3 yorickvp/llava-13b liuhaotian/llava-v1.5-13b "
    "WizardLMTeam/WizardLM-13B-V1.2 alpindale/goliath-120b NousResearch/Nous-Capybara-34B "
    "microsoft/WizardLM-2-8x22B Xwin-LM/Xwin-LM-70B-V0.1",
    "alpaca": "Undi95/ReMM-SLERP-L2-13B Gryphe/MythoMist-7b maywell/Synatra-Mixtral-8x7B WizardLMTeam/WizardCoder-15B-V1.0 WizardLMTeam/WizardMath-70B-V1.0 garage-bAInd/Platypus2-70B "
    "NousResearch/Nous-Hermes-Llama2-13b NousResearch/Nous-Hermes-13b meta-math/MetaMath-7B-V1.0 "
    "chavinlo/alpaca-native Gryphe/MythoMax-L2-13b",
    "openchat": "tomasmcm/fusechat-7b-varm openchat/openchat-3.5-0106 berkeley-nest/Starling-LM-7B-alpha nateraw/openchat_3.5-awq",
    "openchat-3.6": "openchat/openchat-3.6-8b-20240522",
    "solar": "tomasmcm/sauerkrautlm-solar-instruct tomasmcm/lmcocktail-10.7b-v1 upstage/SOLAR-10.7B-Instruct-v1.0 TheBloke/SOLAR-10.7B-Instruct-v1.0-GGUF",
    "orca-mini": "pankajmathur/orca_mini_7b psmathur/orca_mini_v2_13b",
    "stable-beluga": "stabilityai/StableBeluga2 stabilityai/StableBeluga-13B pankajmathur/orca_mini_v3_70b "
    "upstage/Llama-2-70b-instruct-v2",
    "neural-chat": "Intel/neural-chat-7b-v3-1 Intel/neural-chat-7b-v3-3",
    "command-r": "CohereForAI/c4ai-command-r-v01 CohereForAI/c4ai-command-r-plus CohereForAI/aya-23-35B "
    "CohereForAI/aya-expanse-8b",
    "command-a": "CohereLabs/c4ai-command-a-03-2025",
    "command-r7b": "CohereForAI/c4ai-command-r7b-12-2024",
    "granite": "ibm-granite/granite-3.0-8b-instruct",
    "granite-4": "ibm-granite/granite-4.0-h-small ibm-granite/granite-4.0-micro",
    "granite-4-nano": "ibm-granite/granite-4.0-350m ibm-granite/granite-4.0-h-1b",
    "granite-3.1": "ibm-granite/granite-3.1-8b-instruct ibm-granite/granite-3.2-8b-instruct",
    "granite-3.3": "ibm-granite/granite-3.3-8b-instruct",
    "granite-vision": "ibm-granite/granite-vision-3.2-2b",
    "granite-code": "ibm-granite/granite-8b-code-instruct-4k ibm-granite/granite-20b-code-instruct-8k",
    "tulu": "TencentARC/LLaMA-Pro-8B-Instruct allenai/tulu-2-dpo-70b allenai/tulu-v2.5-ppo-13b-uf-mean-70b-uf-rm",
    "tulu-3": "allenai/Llama-3.1-Tulu-3-8B allenai/Llama-3.1-Tulu-3-70B",
    "olmo": "allenai/OLMo-7B-Instruct allenai/OLMo-2-1124-13B-Instruct tiiuae/Falcon3-10B-Instruct",
    "falcon": "tiiuae/falcon-7b-instruct tiiuae/falcon-40b-instruct",
    "falcon-180b": "tiiuae/falcon-180B-chat",
    "guanaco": "timdettmers/guanaco-33b-merged TheBloke/guanaco-65B-GPTQ",
    "koala": "TheBloke/koala-13B-HF",
    "baichuan": "baichuan-inc/Baichuan-13B-Chat",
    "baichuan-2": "baichuan-inc/Baichuan2-7B-Chat",
    "chatglm-1": "THUDM/chatglm-6b",
    "chatglm-2": "THUDM/chatglm2-6b THUDM/chatglm2-6b-int4",
    "chatglm-3": "THUDM/chatglm3-6b THUDM/chatglm3-6b-32k",
    "glm-z1": "THUDM/GLM-Z1-9B-0414 zai-org/GLM-Z1-32B-0414",
    "glm-4": "zai-org/GLM-Z1-Rumination-32B-0414 zai-org/AutoGLM-Phone-9B THUDM/glm-4-9b-chat cuuupid/glm-4v-9b zai-org/GLM-4.1V-9B-Thinking",
    "glm-4.5": "zai-org/GLM-4.5 zai-org/GLM-4.5-Air zai-org/GLM-4.6",
    "internlm": "internlm/internlm-chat-7b internlm/internlm-20b-chat",
    "ernie-4.5": "baidu/ERNIE-4.5-21B-A3B-PT",
    "oasst": "OpenAssistant/oasst-sft-4-pythia-12b-epoch-3.5 OpenAssistant/falcon-40b-sft-top1-oasst",
    "oasst-llama": "OpenAssistant/oasst-sft-6-llama-30b amazon/MistralLite lucataco/mistrallite",
    "redpajama": "togethercomputer/RedPajama-INCITE-7B-Chat",
    "phind": "Phind/Phind-CodeLlama-34B-v2 TheBloke/Phind-CodeLlama-34B-v2-GGUF",
    "starcoder-2": "bigcode/starcoder2-15b-instruct-v0.1",
    "starchat": "HuggingFaceH4/starchat-beta",
    "magicoder": "ise-uiuc/Magicoder-S-DS-6.7B",
    "exaone": "LGAI-EXAONE/EXAONE-3.5-7.8B-Instruct LGAI-EXAONE/EXAONE-3.0-7.8B-Instruct",
    "hy-3": "tencent/Hy3 tencent/Hy3-FP8",
    "hunyuan-dense": "tencent/Hy-MT2-7B tencent/Hunyuan-4B-Instruct tencent/HY-MT1.5-1.8B",
    "minimax": "MiniMaxAI/MiniMax-Text-01",
    "minimax-m1": "MiniMaxAI/MiniMax-M1-80k",
    "seed-coder": "ByteDance-Seed/Seed-Coder-8B-Instruct",
    "glm-5": "zai-org/GLM-4.7 zai-org/GLM-4.7-Flash zai-org/GLM-5",
    "glm-5.1": "zai-org/GLM-5.1 zai-org/GLM-5.1-FP8",
    "minimax-m2": "MiniMaxAI/MiniMax-M2",
    "minimax-m2.1": "minimax/minimax-m2.1",
    "minimax-m2.7": "MiniMaxAI/MiniMax-M2.7",
    "minimax-m2.5": "MiniMaxAI/MiniMax-M2.5",
    "glm-5.2": "zai-org/GLM-5.2 zai-org/GLM-5.2-FP8",
    "nemotron-3": "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16 nvidia/nemotron-3-super-120b nvidia/NVIDIA-Nemotron-3.5-Lightning-30B-A3B-BF16",
    "nemotron-3-ultra": "nvidia/NVIDIA-Nemotron-3-Ultra-550B-A55B",
    "qwen-3.8": "Qwen/Qwen3.8-32B",
    "hunyuan": "tencent/Hunyuan-A13B-Instruct tencent/Hunyuan-7B-Instruct tencent/HY-MT1.5-7B",
    "jamba": "ai21labs/AI21-Jamba-1.5-Mini",
    "nemotron-4": "nvidia/Mistral-NeMo-Minitron-8B-Instruct nvidia/Nemotron-4-340B-Instruct nvidia/Nemotron-Mini-4B-Instruct",
    "airoboros": "jondurbin/airoboros-l2-70b-2.1",
    "synthia": "cognitivecomputations/dolphin-llama2-7b migtissera/Synthia-70B-v1.2",
    "dolly": "databricks/dolly-v2-12b replicate/dolly-v2-12b",
    "gpt-oss": "unsloth/gpt-oss-20b-GGUF",
    "kimi-k2": "unsloth/Kimi-K2-Instruct-GGUF moonshotai-community/Kimi-Linear-48B-A3B-Instruct",
    "phi-2": "microsoft/phi-2",
    "solar-open": "upstage/Solar-Open-100B",
    "gigachat-3": "ai-sage/GigaChat3-10B-A1.8B ai-sage/GigaChat3-702B-A36B-preview",
    "gigachat": "ai-sage/GigaChat3.1-10B-A1.8B",
    "minimax-m3": "MiniMaxAI/MiniMax-M3",
    "kimi-k3": "unsloth/Kimi-K3",
    "hyperclova": "naver-hyperclovax/HyperCLOVAX-SEED-Text-Instruct-1.5B naver-hyperclovax/HyperCLOVAX-SEED-Vision-Instruct-3B",
    "hyperclova-think": "naver-hyperclovax/HyperCLOVAX-SEED-Think-14B",
    "spark-2.5": "iflytek/Spark2.5-100B",
    "laguna-s": "poolside/Laguna-S-2.1",
    "laguna-xs-2.1": "poolside/Laguna-XS-2.1",
    "laguna": "poolside/Laguna-XS.2",
    "reka": "RekaAI/reka-edge-2603 RekaAI/reka-flash-3.1",
    "minicpm-5": "openbmb/MiniCPM5-1B",
    "functiongemma": "google/functiongemma-270m-it",
    "idefics": "HuggingFaceM4/Idefics3-8B-Llama3 HuggingFaceTB/SmolVLM-Instruct lucataco/idefics-8b",
    "closed": "openai/gpt-5.1 qwen/qwen3-7-plus qwen/qwen3-max anthropic/claude-4.5-haiku google/gemini-2.5-flash xai/grok-4 "
    "deepseek-ai/deepseek-r1 deepseek-ai/deepseek-v3 deepseek-ai/deepseek-v4-flash meta-llama/LlamaGuard-7b",
    "plain": "google/gemma-3-270m LGAI-EXAONE/K-EXAONE-236B-A23B stabilityai/stablecode-instruct-alpha-3b google/paligemma-3b-pt-224 google/codegemma-2b google/gemma-2-9b NousResearch/Yarn-Mistral-7b-128k "
    "Qwen/Qwen2-57B-A14B meta/meta-llama-3-8b meta-llama/Llama-3.1-70B meta/llama-2-70b meta-llama/Llama-3.2-1B "
    "mistralai/Mistral-7B-v0.1 mistralai/Mistral-7B-v0.3 mistralai/Mistral-Nemo-Base-2407 "
    "mistralai/Mixtral-8x22B-v0.1 mistralai/Mixtral-8x7B-v0.1 Qwen/Qwen2.5-7B Qwen/Qwen1.5-72B Qwen/Qwen3-8B-Base "
    "google/gemma-2-9b google/gemma-7b 01-ai/Yi-34B 01-ai/Yi-34B-200K tiiuae/falcon-7b bigcode/starcoder2-15b "
    "meta/codellama-13b meta/codellama-13b-python EleutherAI/gpt-j-6b EleutherAI/pythia-12b facebook/opt-6.7b "
    "state-spaces/mamba-2.8b meta-llama/Llama-4-Scout-17B-16E google/gemma-3-4b-pt deepseek-ai/deepseek-llm-7b-base "
    "ibm-granite/granite-3.1-8b-base mosaicml/mpt-7b allenai/OLMo-2-1124-7B Qwen/Qwen2.5-Coder-7B Qwen/Qwen2.5-Math-1.5B CohereForAI/aya-101 someone/never-heard-of-it",
}
WELL_KNOWN = [(name, family) for family, names in NAMES.items() for name in names.split()]


@pytest.mark.parametrize(("name", "family"), WELL_KNOWN)
def test_a_well_known_name_tells_its_family(name: str, family: str) -> None:
    assert family in FAMILIES
    assert family_of(name).name == family


@pytest.mark.parametrize(
    "spelling",
    [
        *("{}", "replicate/{}", "{}:" + "a" * 64, "{}-gguf", "{}-AWQ", "{}-GPTQ-Int4", "{}-q4_k_m"),
        *(
            "{}-i1-GGUF",
            "{}-gguf-q4-k-m",
            "{}-UD-Q4_K_XL",
            "{}-unsloth-bnb-4bit",
            "{}-NVFP4",
            "{}-fp8-dynamic",
        ),
        *("{}-gptq-4bit-128g", "{}-quantized.w8a8", "{}-exl3", "{}-nf4", "{}-HQQ", "{}-vllm"),
    ],
)
def test_a_spelling_changes_nothing(spelling: str) -> None:
    for name, family in WELL_KNOWN:
        if not name.startswith(("deployments/", "replicate/")) and family != "closed":
            assert family_of(spelling.format(name)).name == family, spelling.format(name)


VERSION = re.compile(r"(?<![\d.])(\d)\.(\d)(?![\d.bmkx])", re.IGNORECASE)


@pytest.mark.parametrize("point", ["-", "_", "p"])
def test_a_version_is_one_with_any_sign_for_its_point(point: str) -> None:
    for name, family in WELL_KNOWN:
        assert family_of(VERSION.sub(rf"\1{point}\2", name)).name == family, name


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("x/llama31-8b-instruct", "llama-3.1"),
        ("x/qwen25-7b-instruct", "qwen-2.5"),
        ("x/granite33-8b-instruct", "granite-3.3"),
        ("x/glm45-air", "glm-4.5"),
        ("x/glm-46", "glm-4.5"),
        ("x/deepseek-v31", "deepseek-v3.1"),
        ("x/exaone40-32b", "exaone-4"),
        ("x/gptoss-20b", "gpt-oss"),
        ("x/kimik2-instruct", "kimi-k2"),
        ("x/minimaxm2", "minimax-m2"),
        ("x/commandr-plus", "command-r"),
        ("x/llama13b", "plain"),
        ("x/granite-34b-code-base", "plain"),
    ],
)
def test_names_may_be_glued_together(name: str, family: str) -> None:
    assert family_of(name).name == family


def test_how_many_names_are_right(capsys: pytest.CaptureFixture[str]) -> None:
    right = sum(family_of(name).name == family for name, family in WELL_KNOWN)
    with capsys.disabled():
        print(f"\nnames of models that tell the right family: {right} of {len(WELL_KNOWN)}")
    assert len(WELL_KNOWN) >= 150
