// What each client for Node.js plays: the prompts, the tool, and in which ways. scenes.py is the
// same for Python.

export const MODEL = "claude-sonnet-5-5";
export const MAX_TOKENS = 2_000;
export const PROMPT = "How is the weather in Oslo and in Bergen? zebra-marmalade";
export const SEARCH = "Who won the Euro in 2024? zebra-marmalade";
export const AGAIN = "And who lost?";
// Two are needed: a client that cannot end its loop shall not go on for ever.
export const MAX_TURNS = 4;

// What the tool `get_weather` answers.
export const weather = (city) => `${city}: snow`;

// Play what the command line asks for, and print the results as one JSON object. Its one argument
// is a list of [name, scene, arguments of the scene]. An error is a result, too, so that one does
// not hide the others.
export async function main(version, scenes) {
  const played = { version };
  for (const [name, scene, given] of JSON.parse(process.argv[2])) {
    try {
      played[name] = await scenes[scene](given);
    } catch (error) {
      played[name] = `${error.name}: ${error.message}`;
    }
  }
  console.log(JSON.stringify(played));
}
