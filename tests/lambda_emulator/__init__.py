"""AWS Lambda on this machine: environments, their Runtime API and a Function URL in front.

Faithful in wire format, limits, order and clock. It imports nothing of the product, so that it
cannot share its bugs. README.md says what is not emulated.
"""
