"""`tidegate policy test`: what authors run beside their policies."""

import subprocess
import xml.etree.ElementTree as xml

from gateway import PATIENCE, PROGRAM, ROOT

POLICY = 'return { version = "1", api = 1, on_token = function(s, text) return (text:gsub("secret", "******")) end }\n'
GOOD = 'tide.test("it hides", function(t)\n  local r = t.gateway { { use = "hide" } }:chat { upstream = "a secret" }\n  t.eq(r.text, "a ******")\nend)\n'
BAD = GOOD.replace("end)\n", '  t.invariant(r)\nend)\n')


def run(*arguments, folder=None):
    return subprocess.run(
        [PROGRAM, "policy", "test", *map(str, arguments)], capture_output=True, text=True, timeout=10 * PATIENCE, cwd=folder)


def folder_with(tmp_path, test):
    (tmp_path / "hide.lua").write_text(POLICY)
    (tmp_path / "hide_test.lua").write_text(test)
    return tmp_path


def test_passing(tmp_path):
    done = run(folder_with(tmp_path, GOOD))
    assert (done.returncode, done.stderr) == (0, "")
    assert "ok    it hides" in done.stdout
    assert "passed: 1 test in 1 file, 0 failed" in done.stdout


def test_failing_shows_the_cut_and_the_line(tmp_path):
    report = tmp_path / "report.xml"
    done = run(folder_with(tmp_path, BAD), "--junit", report)
    assert done.returncode == 1
    assert f"{tmp_path}/hide_test.lua:4: the answer depends on how it travels" in done.stdout
    assert "way: openai, streamed, a delta for each byte" in done.stdout
    assert 'expected "a ******"' in done.stdout and 'but came "a secret"' in done.stdout
    suites = xml.parse(report).getroot()
    assert (suites.get("tests"), suites.get("failures")) == ("1", "1")
    assert "way: openai" in suites.find("testsuite/testcase/failure").text


def test_filter_and_nothing_to_run(tmp_path):
    folder = folder_with(tmp_path, GOOD)
    assert "1 test in 1 file" in run(folder, "--filter", "hides").stdout
    nothing = run(folder, "--filter", "nothing")
    assert (nothing.returncode, nothing.stdout) == (2, "") and "no test's name contains" in nothing.stderr
    (folder / "hide_test.lua").write_text("-- later\n")
    empty = run(folder)
    assert empty.returncode == 2 and "no test file declares one" in empty.stderr
    assert "declares no test; begin with tide.test(" in empty.stdout
    (folder / "hide_test.lua").unlink()
    absent = run(folder)
    assert absent.returncode == 2 and "write <name>_test.lua beside a policy" in absent.stderr
    absent = run(folder / "nowhere")
    assert absent.returncode == 2 and "nowhere" in absent.stderr


def test_shipped_tests_are_found_by_default():
    done = run("--filter", "is refused", folder=ROOT)
    assert done.returncode == 0 and "Plugins/word-filter_test.lua" in done.stdout


def test_coverage_says_what_no_test_runs(tmp_path):
    folder = folder_with(tmp_path, GOOD)
    (folder / "other.lua").write_text(
        "return {\n  version = '1', api = 1,\n  on_token = function(s, text)\n    return text\n  end,\n}\n")
    plain = run(folder)
    assert plain.returncode == 0 and "coverage: " not in plain.stdout
    done = run(folder, "--coverage")
    assert done.returncode == 0
    assert f"{folder}/hide.lua" in done.stdout and "100.0 %  1 of 1" in done.stdout
    assert "0.0 %  0 of 3; not: 1-4" in done.stdout, done.stdout
    short = run(folder, "--coverage-min", "70")
    assert short.returncode == 1
    assert f"{folder}/other.lua:1: error: its tests run 0.0 % of its lines, and 70 % are wanted" in short.stderr
    assert run(folder, "--coverage-min", "70", "--filter", "hides").returncode == 0
    assert run(folder, "--coverage-min", "101").returncode != 0
