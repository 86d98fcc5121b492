"""The function on AWS Lambda.

server       an invocation and its clock; `python -m proxy.aws` runs it
event        a Function URL's event -> WSGI, and a WSGI head back
runtime_api  Lambda's Runtime API over HTTP
secret       the key from Secrets Manager or SSM
"""
