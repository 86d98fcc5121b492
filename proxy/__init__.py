"""Everything that touches the world: settings, the network, processes.

config       the only reader of os.environ
access       who may call, and with whose Gemini keys
limits       how much at once
codec        JSON at the edges
backends     where a model is asked, and with what in hand: the Gemini API or Vertex AI
adc          the identity that Vertex AI is asked with
upstream     Gemini over HTTP: chunks out, ApiError on failure
connections  the connections under it
waiting      work that blocks, and says when nothing happens
recovery     what is tried again before an answer has begun
answer       one answer on its way from upstream to the client
record       one line of JSON for each request
tokens       how many tokens a request has
aws          the function on AWS Lambda: an invocation and its clock
aws_event    a Function URL's event -> WSGI, and a WSGI head back
aws_runtime  Lambda's Runtime API over HTTP
aws_secret   the key from Secrets Manager or SSM
__main__     `python -m proxy`: the banner, then the server
"""
