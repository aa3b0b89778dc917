"""What the fuzzer cannot know by itself."""

import schemathesis

schemathesis.serializer.alias("application/x-ndjson", "text/plain")

# Made-up webhooks point to this machine: no stranger shall hear from a fuzzer.
NOBODY = "https://127.0.0.1:1024/hook"


@schemathesis.hook
def before_call(context, case, kwargs):
    if isinstance(case.body, dict):
        url = case.body.get("url")
        if isinstance(url, str) and url.lower().startswith("https://"):
            case.body["url"] = NOBODY
