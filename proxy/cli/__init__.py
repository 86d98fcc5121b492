"""`python -m proxy ...`: what a person does with the proxy beside serving it.

Each command is a file with a `main`; nothing of it is loaded where requests are served.
"""
