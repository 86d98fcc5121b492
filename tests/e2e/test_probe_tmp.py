import json
from tests.e2e.test_recovery import *


def test_probe(both, proxy):
    both.script(*[MALFORMED] * 3, HELLO)
    runs = both.ask(proxy)
    for j in both.journals():
        print([(r["reply"], r["status"], r["path"], r["body"].get("toolConfig")) for r in j])
        print(json.dumps(j[-1]["body"]["contents"][-3:])[-900:])
    print(retries(runs))
    both.script(*[{"chunks": [{"text": ""}]}] * 3, HELLO)
    runs = both.ask(proxy)
    for j in both.journals():
        print([(r["reply"], r["status"], r["path"]) for r in j])
        print(json.dumps(j[-1]["body"]["contents"][-3:])[-900:])
    print(retries(runs))
    both.script({"chunks": [{"text": "Hel"}, {"delay": 0.2}, {"cut": True}]}, HELLO)
    runs = both.ask(proxy)
    for j in both.journals():
        print([(r["reply"], r["status"], r["path"]) for r in j])
    print(retries(runs))


def test_probe2(both, emulator):
    try:
        test_a_days_quota_that_another_model_still_has(both, emulator)
    finally:
        for j in both.journals():
            print(
                [
                    (
                        r["reply"],
                        r["status"],
                        r["error"],
                        r["path"],
                        [
                            (s["part"], s["call_id"], s["sentinel"], s["signature"][:8])
                            for s in r["signatures"]
                        ],
                        [(s["call_id"], s["name"], s["signature"][:8]) for s in r["issued"]],
                    )
                    for r in j
                ]
            )
