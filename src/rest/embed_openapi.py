"""Writes docs/openapi.yaml and its JSON into a C++ source: embed_openapi.py docs/openapi.yaml OUT VERSION"""

import json
import pathlib
import sys

import yaml

source, out, version = sys.argv[1:]
text = pathlib.Path(source).read_text(encoding="utf-8")
document = yaml.safe_load(text)
if document["info"]["version"] != version:
    sys.exit(f"{source}: info.version is {document['info']['version']}, the program's is {version}")
pathlib.Path(out).write_text(
    f"""#include "rest/openapi.hpp"

namespace ota::rest {{

std::string_view openapi_json() {{
  return R"openapi({json.dumps(document, ensure_ascii=False)}
)openapi";
}}

std::string_view openapi_yaml() {{
  return R"openapi({text})openapi";
}}

}}  // namespace ota::rest
""",
    encoding="utf-8",
)
