"""People who share one endpoint: access tokens, plans, and budgets that hold.

tokens    who presents one, and by which plan          stores/   where is counted
plans     what a plan allows, and its windows          money     tokens of a model -> nano-US$
budget    the hold of one request, from admission to settlement
"""
