// The `@anthropic-ai/sdk` package: its tool runner, `parse` and `stream`.

import Anthropic from "@anthropic-ai/sdk";
import { betaZodTool } from "@anthropic-ai/sdk/helpers/beta/zod";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import { VERSION } from "@anthropic-ai/sdk/version";
import { z } from "zod";
import { AGAIN, MAX_TOKENS, MAX_TURNS, MODEL, PROMPT, SEARCH, main, weather } from "./scenes.mjs";

const ASK = { model: MODEL, max_tokens: MAX_TOKENS };
const WEB_SEARCH = { type: "web_search_20260318", name: "web_search", max_uses: 3 };

const getWeather = betaZodTool({
  name: "get_weather",
  description: "The weather of a city.",
  inputSchema: z.object({ city: z.string() }),
  run: ({ city }) => weather(city),
});

const client = (base_url, key) => new Anthropic({ baseURL: base_url, apiKey: key, maxRetries: 0 });
const user = (content) => ({ role: "user", content });
const textOf = (message) =>
  message.content.filter((block) => block.type === "text").map((block) => block.text).join("");

const run = async ({ base_url, key, stream, thinking }, more) =>
  textOf(
    await client(base_url, key).beta.messages.toolRunner({
      ...ASK,
      messages: [user(PROMPT)],
      tools: [getWeather],
      stream,
      max_iterations: MAX_TURNS,
      ...(thinking && { thinking }),
      ...more,
    }),
  );

const loop = (given) => run(given, { thread: false });

// As the package does it unless told otherwise: the server is to keep the conversation.
const threaded_loop = (given) => run(given, {});

async function structured({ base_url, key, stream }) {
  const { messages } = client(base_url, key);
  const Forecast = z.object({ city: z.string(), degrees: z.int() });
  const ask = { ...ASK, messages: [user(PROMPT)], output_config: { format: zodOutputFormat(Forecast) } };
  return (stream ? await messages.stream(ask).finalMessage() : await messages.parse(ask)).parsed_output;
}

async function search({ base_url, key }) {
  const { messages } = client(base_url, key);
  const first = await messages.create({ ...ASK, messages: [user(SEARCH)], tools: [WEB_SEARCH] });
  const history = [user(SEARCH), { role: "assistant", content: first.content }, user(AGAIN)];
  const second = await messages.create({ ...ASK, messages: history, tools: [WEB_SEARCH] });
  const found = first.content.filter((block) => block.type === "web_search_tool_result");
  return {
    urls: found.flatMap((block) => block.content.map((result) => result.url)),
    texts: [textOf(first), textOf(second)],
  };
}

await main(VERSION, { loop, threaded_loop, structured, search });
