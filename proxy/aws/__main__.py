"""`python -m proxy.aws`, started by `bootstrap` in place of AWS's own runtime.

The runtime itself is server.py.
"""

from .server import main

if __name__ == "__main__":
    main()
