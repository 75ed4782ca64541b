"""The command line: what people type first, and what they are told when a file is wrong."""

import json
import re
import subprocess

import pytest

from gateway import KEY, PATIENCE, PROGRAM, ROOT, TERMINATE, Program, configuration, get


def tidegate(*arguments, folder=None, environment=None, patience=PATIENCE):
    return subprocess.run(
        [PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=patience, cwd=folder, env=environment)


def test_help_has_examples():
    shown = tidegate("--help")
    assert shown.returncode == 0
    for command in ("run", "check", "policy", "engine", "bench"):
        assert re.search(rf"^  {command}\b", shown.stdout, re.MULTILINE), command
    assert "EXAMPLES" in shown.stdout
    for command in ("run", "check", "engine", "bench", "policy check"):
        one = tidegate(*command.split(), "--help")
        assert (one.returncode, "USAGE: tidegate " + command in one.stdout) == (0, True)
    for fault in ("die-after-N", "stall-after-N", "malformed-after-N", "rate-limited", "slow-first-MS"):
        assert fault in tidegate("engine", "--help").stdout


def test_version():
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", tidegate("--version").stdout)


def test_unknown_options_and_commands():
    for arguments in (["--nothing"], ["nothing"], ["engine", "--mode", "nothing"], ["engine", "--address", "nowhere"]):
        refused = tidegate(*arguments)
        assert refused.returncode not in (0, None) and refused.stderr, arguments


def test_the_shipped_configuration_is_valid():
    checked = tidegate("check", "--config", ROOT / "Config" / "tidegate.yaml")
    assert (checked.returncode, checked.stderr) == (0, "")
    for policy in ("api-keys", "rate-limit", "model-router", "prompt-template", "word-filter"):
        assert policy in checked.stdout


def test_the_configuration_comes_from_the_environment(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("clusters: [ { name: engine, engine: {} } ]\nmodels: [ { id: echo, cluster: engine } ]\n")
    checked = tidegate("check", folder=tmp_path, environment={"TIDEGATE_CONFIG": str(path)})
    assert checked.returncode == 0, checked.stderr
    assert str(path) in checked.stdout


BASE = "clusters: [ { name: engine, engine: {} } ]\nmodels: [ { id: echo, cluster: engine } ]\n"


@pytest.mark.parametrize("text, place, said", [
    (BASE + "polices: []\n", "3:1", "policies"),
    (BASE + "listeners:\n  - adress: 127.0.0.1:8080\n", "4:5", "address"),
    (BASE + "listeners:\n  - address: 127.0.0.1:99999\n", "4:14", "127.0.0.1:8080"),
    (BASE + "log: { level: loud }\n", "3:15", "info"),
    (BASE + "store: rediss://localhost\n", "3:8", "tunnel"),
    (BASE + "store: redis://localhost:port\n", "3:8", "redis://10.0.0.9:6379/0"),
    (BASE + "limits: { request_body: 10 apples }\n", "3:25", "MiB"),
    ("clusters: [ { name: engine, engine: {} } ]\nmodels:\n  - { id: echo, cluster: engin }\n", "3:26", "engine"),
    (BASE + "plugins: { folder: nowhere }\n", "3:20", "nowhere"),
    ("clusters: [\n", None, ""),
])
def test_a_wrong_configuration_names_the_place(tmp_path, text, place, said):
    path = tmp_path / "tidegate.yaml"
    path.write_text(text)
    checked = tidegate("check", "--config", path)
    assert (checked.returncode, checked.stdout) == (1, "")
    first = checked.stderr.splitlines()[0]
    assert first.startswith(f"{path}:{place}: " if place else f"{path}:"), first
    assert said in first
    # A gateway does not start with what `check` refuses, and says the same.
    started = tidegate("run", "--config", path)
    assert (started.returncode, started.stderr) == (1, checked.stderr)


def test_a_missing_file():
    checked = tidegate("check", "--config", "/nowhere/tidegate.yaml")
    assert checked.returncode == 1
    assert "/nowhere/tidegate.yaml" in checked.stderr


def test_a_missing_variable(tmp_path):
    path = tmp_path / "tidegate.yaml"
    path.write_text(
        "clusters:\n  - name: far\n    endpoints: [ { url: https://far.example } ]\n"
        "    credentials: { bearer: \"${TIDEGATE_TEST_NOT_SET}\" }\nmodels: [ { id: x, cluster: far } ]\n")
    checked = tidegate("check", "--config", path)
    assert checked.returncode == 1
    assert checked.stderr.startswith(f"{path}:4:") and "TIDEGATE_TEST_NOT_SET" in checked.stderr


@pytest.mark.parametrize("policy, config, said", [
    ("return { on_segment = function(s, w) return = end }", "{}", r"mine\.lua:1: "),
    ("return {\n  on_sgment = function() end }", "{}", r"mine\.lua.*on_segment"),
    ("return { schema = { limit = { type = \"integer\" } }, on_request = function() end }", "{ limt: 1 }",
     r"tidegate\.yaml:6.*limit"),
    ("return { schema = { limit = { type = \"integer\", required = true } }, on_request = function() end }", "{}",
     r"limit"),
    ("x = 1\nreturn { on_request = function() end }", "{}", r"mine\.lua:1: "),
])
def test_a_wrong_policy_names_the_place(tmp_path, policy, config, said):
    path = tmp_path / "tidegate.yaml"
    (tmp_path / "Plugins").mkdir()
    (tmp_path / "Plugins" / "mine.lua").write_text(policy)
    path.write_text(BASE + f"plugins: {{ folder: Plugins }}\npolicies:\n  - use: mine\n    config: {config}\n")
    checked = tidegate("check", "--config", path)
    assert checked.returncode == 1
    assert re.search(said, checked.stderr), checked.stderr


def test_policy_check(tmp_path):
    shown = tidegate("policy", "check", ROOT / "Plugins")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert re.search(r"^word-filter 2\.0\.0: .*on_load", shown.stdout, re.MULTILINE)
    assert re.search(r"^api-keys .*needs keys", shown.stdout, re.MULTILINE)

    (tmp_path / "good.lua").write_text("return { auto = true, on_request = function() end }")
    (tmp_path / "bad.lua").write_text("return {\n  on_request = 1,\n}\n")
    shown = tidegate("policy", "check", tmp_path)
    assert shown.returncode == 1
    assert "good: on_request (auto)" in shown.stdout
    assert re.search(r"bad\.lua", shown.stderr)
    assert tidegate("policy", "check", tmp_path / "nowhere").returncode == 1


def test_policy_check_lints(tmp_path):
    shown = tidegate("policy", "check", ROOT / "Plugins")
    assert re.search(r"^pii-roundtrip .*\n    writes: ctx\.prompt\.mask\n    filters: restore, mask$", shown.stdout, re.MULTILINE)
    assert re.search(r"^tool-gate .*\n    may call: the host in config\.approver$", shown.stdout, re.MULTILINE)

    policy = tmp_path / "mine.lua"
    policy.write_text("return {\n  on_request = function(ctx)\n    if ctx.modle then tide.deny(400) end\n  end,\n}\n")
    shown = tidegate("policy", "check", tmp_path)
    assert shown.returncode == 1
    assert "mine: on_request" in shown.stdout
    assert f"{policy}:3: error: there is no ctx.modle [ctx-field] (did you mean ctx.model?)" in shown.stderr
    assert f"{policy}:3: error: tide.deny does nothing by itself [unused] (write return tide.deny)" in shown.stderr
    policy.write_text(policy.read_text().replace("end\n  end", "end -- tide: allow ctx-field, unused\n  end"))
    assert tidegate("policy", "check", tmp_path).returncode == 0


def test_a_new_policy_passes_its_test(tmp_path):
    made = tidegate("policy", "new", "my-words", folder=tmp_path)
    assert (made.returncode, made.stderr) == (0, "")
    # Thousands of cases: seconds of work for a debug build, on a machine that may do other things.
    tested = tidegate("policy", "test", folder=tmp_path, patience=10 * PATIENCE)
    assert tested.returncode == 0 and "passed: 1 test" in tested.stdout
    checked = tidegate("policy", "check", folder=tmp_path)
    assert checked.stdout.startswith("my-words 0.1.0: on_lane on_segment (auto)")
    types = (tmp_path / "Plugins" / "_types.lua").read_text()
    assert "---@class tide.config.my_words" in types
    before = (tmp_path / "Plugins" / "my-words.lua").read_text()
    again = tidegate("policy", "new", "my-words", folder=tmp_path)
    assert again.returncode != 0 and "is there already" in again.stderr
    assert (tmp_path / "Plugins" / "my-words.lua").read_text() == before
    for wrong in ("../x", "Upper", "a_test", "", "_x"):
        assert "is no name for a policy" in tidegate("policy", "new", wrong, folder=tmp_path).stderr


def test_a_new_policy_makes_its_folder_but_no_others(tmp_path):
    lost = tidegate("policy", "new", "mine", "--folder", "sorce/Plugins", folder=tmp_path)
    assert lost.returncode != 0 and "there is no folder" in lost.stderr and "sorce" in lost.stderr
    assert list(tmp_path.iterdir()) == []
    made = tidegate("policy", "new", "mine", "--folder", "Mine/", folder=tmp_path)
    assert (made.returncode, "made the folder Mine" in made.stdout) == (0, True), made.stderr
    more = tidegate("policy", "new", "other", "--folder", "Mine", folder=tmp_path)
    assert (more.returncode, "made the folder" in more.stdout) == (0, False)


def test_the_banner_says_which_policies_were_dropped_in(tmp_path):
    plugins = tmp_path / "Plugins"
    plugins.mkdir()
    (plugins / "dropped.lua").write_text("return { auto = true, on_log = function() end }")
    (plugins / "listed.lua").write_text("return { on_log = function() end }")
    path = tmp_path / "tidegate.json"
    path.write_text(json.dumps(configuration("http://127.0.0.1:1", policies=[{"use": "listed"}])))
    program = Program(["run", "--config", path], tmp_path, "gateway")
    try:
        program.printed(r"^  policies, in the order they run:\n    listed: on_log\n    dropped: on_log, dropped in$")
    finally:
        program.signal(TERMINATE)
        assert program.wait() == 0


def test_the_reference_is_made_from_the_tables(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- reference: begin -->\nstale words\n<!-- reference: end -->\nafter\n")
    assert tidegate("policy", "docs", "--check", page).returncode == 1
    assert tidegate("policy", "docs", "--write", page).returncode == 0
    assert tidegate("policy", "docs", "--check", page).returncode == 0
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "stale words" not in text
    for name in ("`on_tool_call`", "`prompt.messages`", "`tide.limit.take(key: string, ", "`min_len`", "`keep_text`", "`leaves`"):
        assert name in text
    types = tidegate("policy", "types", ROOT / "Plugins").stdout
    for name in ("---@class tide.Context.prompt", "---@field on_tool_call? fun(", "tide.limit.take = nil", "tide.config.word_filter"):
        assert name in types
    page.write_text("no markers")
    assert "has no lines" in tidegate("policy", "docs", "--write", page).stderr


def test_the_first_run(start, tmp_path):
    """The start-up message of the shipped configuration: what listens, the policies in force, a line that works."""
    text = (ROOT / "Config" / "tidegate.yaml").read_text()
    text = text.replace("address: 127.0.0.1:8080 ", "address: 127.0.0.1:0 ").replace("127.0.0.1:8081 ", "127.0.0.1:0 ")
    gateway = start(text)
    for policy in ("api-keys", "rate-limit", "model-router", "prompt-template", "word-filter"):
        assert re.search(rf"^    {policy}: ", gateway.text, re.MULTILINE)
    command = gateway.text[gateway.text.index("curl -N"):].split("}'")[0] + "}'"
    assert KEY in command
    answer = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=PATIENCE).stdout
    said = "".join(
        json.loads(line[6:])["choices"][0]["delta"].get("content") or ""
        for line in answer.splitlines() if line.startswith("data: {"))
    assert said == "What color is the sea?"
    assert answer.rstrip().endswith("data: [DONE]")


def test_the_built_in_default_needs_no_file(tmp_path):
    checked = tidegate("check", folder=tmp_path)
    assert checked.returncode == 0, checked.stderr
    assert "built-in" in checked.stdout


def test_engine(start_engine, tmp_path):
    engine = start_engine("--mode", "scripted", "--script", "one two", "--interval", "0")
    assert json.loads(get(engine.url + "/v1/models")[1])["object"] == "list"
    assert json.loads(get(engine.url + "/engine/stats")[1])["requests"] == 1
    second = Program(["engine", "--address", f"127.0.0.1:{engine.port}"], tmp_path, "second")
    assert second.wait() == 1
    assert f"127.0.0.1:{engine.port}" in second.text
    second.stop()
    engine.signal(TERMINATE)
    assert engine.wait() == 0


def test_the_admin_listener(start, engine):
    gateway = start(configuration(engine.url))
    assert get(gateway.admin + "/healthz") == (200, "ok\n")
    assert get(gateway.admin + "/readyz")[0] == 200
    assert get(gateway.admin + "/nothing")[0] == 404
    metrics = get(gateway.admin + "/metrics")[1]
    names = set()
    for line in metrics.splitlines():
        if line.startswith("# TYPE "):
            name = line.split()[2]
            assert name not in names, f"{name} is declared twice"
            names.add(name)
        elif not line.startswith("#"):
            assert re.fullmatch(r'[a-z_]+(\{([a-z_]+="[^"\\\n]*",?)*\})? [-+.e0-9]+(inf)?', line, re.IGNORECASE), line
    assert {"tidegate_generation", "tidegate_exchanges_total", "tidegate_build_info"} <= names
