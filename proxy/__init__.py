"""Everything that touches the world: settings, the network, processes.

config      the only reader of os.environ
access      who may call, and with whose Gemini key
codec       JSON at the edges
upstream    Gemini over HTTP: chunks out, ApiError on failure
answer      one answer on its way from upstream to the client
__main__    `python -m proxy`: the banner, then the server
"""
