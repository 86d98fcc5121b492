"""Everything that touches the world: settings, the network, processes.

config      the only reader of os.environ
access      who may call, and with whose Gemini key
codec       JSON at the edges
upstream    Gemini over HTTP: chunks out, ApiError on failure
answer      one answer on its way from upstream to the client
aws         the function on AWS Lambda: an invocation and its clock
aws_event   a Function URL's event -> WSGI, and a WSGI head back
aws_runtime Lambda's Runtime API over HTTP
aws_secret  the key from Secrets Manager or SSM
__main__    `python -m proxy`: the banner, then the server
"""
