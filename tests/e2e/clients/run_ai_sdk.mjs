// The AI SDK: `ai` with `@ai-sdk/anthropic`, its loop, its output and its web search.

import { createRequire } from "node:module";
import { createAnthropic } from "@ai-sdk/anthropic";
import { Output, generateText, isStepCount, streamText, tool } from "ai";
import { z } from "zod";
import { AGAIN, MAX_TOKENS, MAX_TURNS, MODEL, PROMPT, SEARCH, main, weather } from "./scenes.mjs";

const require = createRequire(import.meta.url);
const version = (name) => require(`${name}/package.json`).version;

const provider = (base_url, key) => createAnthropic({ baseURL: `${base_url}/v1`, apiKey: key });

const getWeather = tool({
  description: "The weather of a city.",
  inputSchema: z.object({ city: z.string() }),
  execute: ({ city }) => weather(city),
});

// An answer, whole or streamed, with the values of its promises.
async function ask(stream, options) {
  const given = { maxOutputTokens: MAX_TOKENS, maxRetries: 0, ...options };
  if (!stream) return generateText(given);
  let failure;
  const answer = streamText({ ...given, onError: ({ error }) => (failure = error) });
  await answer.consumeStream();
  if (failure) throw failure;
  return { text: await answer.text, output: options.output && (await answer.output) };
}

async function loop({ base_url, key, stream, thinking }) {
  const { text } = await ask(stream, {
    model: provider(base_url, key)(MODEL),
    prompt: PROMPT,
    tools: { get_weather: getWeather },
    stopWhen: isStepCount(MAX_TURNS),
    providerOptions: { anthropic: thinking ? { thinking } : {} },
  });
  return text;
}

const structuredBy = (structuredOutputMode) =>
  async function ({ base_url, key, stream }) {
    const Forecast = z.object({ city: z.string(), degrees: z.int() });
    const { output } = await ask(stream, {
      model: provider(base_url, key)(MODEL),
      prompt: PROMPT,
      output: Output.object({ schema: Forecast }),
      providerOptions: { anthropic: { structuredOutputMode } },
    });
    return output;
  };

async function search({ base_url, key }) {
  const anthropic = provider(base_url, key);
  const tools = { web_search: anthropic.tools.webSearch_20260318({ maxUses: 3 }) };
  const user = (content) => ({ role: "user", content });
  const model = anthropic(MODEL);
  const first = await ask(false, { model, messages: [user(SEARCH)], tools });
  const messages = [user(SEARCH), ...first.response.messages, user(AGAIN)];
  const second = await ask(false, { model, messages, tools });
  return {
    urls: first.toolResults.flatMap(({ output }) => output.map((result) => result.url)),
    texts: [first.text, second.text],
  };
}

await main(`${version("@ai-sdk/anthropic")} with ai ${version("ai")}`, {
  loop,
  structured: structuredBy("outputFormat"),
  structured_by_tool: structuredBy("jsonTool"),
  search,
});
