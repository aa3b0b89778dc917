"""Made-up webhooks point to this machine: no stranger shall hear from a fuzzer."""

import schemathesis

NOBODY = "https://127.0.0.1:1024/hook"


@schemathesis.hook
def before_call(context, case, kwargs):
    if isinstance(case.body, dict):
        url = case.body.get("url")
        if isinstance(url, str) and url.lower().startswith("https://"):
            case.body["url"] = NOBODY
