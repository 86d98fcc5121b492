"""Everything that touches the world: settings, the network, processes.

config           the only reader of os.environ
auth             who calls, and with which Gemini keys
request_body     how large a request may be, and how long it is waited for
concurrency      how many answers at once
json_codec       JSON at the edges
tool_cache       the declarations of tools, from one request to the next
endpoints        base URL, paths and credentials of the Gemini API and of Vertex AI
google_auth      Google Cloud's credentials, for Vertex AI
gemini           Gemini over HTTP: chunks out, ApiError on failure
connections      the connections under it
response_stream  a response as it comes from one of them
liveness         whether the upstream has something to say and the client still listens
attempts         what is tried again before an answer has begun
answer           one answer on its way from upstream to the client
request_log      one line of JSON for each request
token_count      how many tokens a request has
aws/             the function on AWS Lambda
program          what this program is called by who runs it
__main__         `python -m proxy`: the banner, then the server
"""

__version__ = "0.1.0"
