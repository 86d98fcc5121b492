"""The way back: Gemini's chunks -> Anthropic's events, or one message; Google's errors -> ours.

stream.py is the way in, message.py the way out; this package and translate/request do not import
each other.
"""
