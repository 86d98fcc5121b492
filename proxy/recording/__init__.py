"""Exchanges kept for a bug report, where PROXY_LOG_BODIES names a folder.

recorder   the folder: what is recorded, and how much of it is kept
exchange   one exchange as it goes on, and the files that it becomes
gemini     the Gemini of a request that is recorded
redaction  known keys, and what stands in their place
"""
