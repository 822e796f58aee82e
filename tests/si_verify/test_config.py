"""Configuration errors name the file and the key; the command line wins."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from si_verify.config import Config, ConfigError, load_config


def project(folder, text: str):
    (folder / "pyproject.toml").write_text(text)
    return folder


def test_the_command_line_wins_over_the_file_and_the_file_over_the_defaults(tmp_path):
    folder = project(tmp_path, '[tool.si-verify]\nprofile = "full"\nseed = 3\n')
    config = load_config(folder, {"seed": 5, "jobs": None})
    assert (config.profile, config.seed, config.jobs) == ("full", 5, Config().jobs)


def test_the_nearest_pyproject_above_counts(tmp_path):
    project(tmp_path, "[tool.si-verify]\nseed = 11\n")
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert load_config(tmp_path / "a" / "b").seed == 11


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[tool.si-verify]\ncolour = 1\n", "unknown key 'colour'"),
        ('[tool.si-verify]\nprofile = "huge"\n', "key 'profile'"),
        ("[tool.si-verify]\ntimeout = -1\n", "key 'timeout'"),
        ('[tool.si-verify]\nseed = "x"\n', "key 'seed'"),
        ("[tool]\nsi-verify = 3\n", "expected a table"),
        ("[tool.si-verify\n", "cannot be read"),
    ],
)
def test_what_is_wrong_is_named_with_its_file(tmp_path, text, named):
    with pytest.raises(ConfigError, match=named) as caught:
        load_config(project(tmp_path, text))
    assert "pyproject.toml" in str(caught.value)


def test_a_wrong_option_is_named_too(tmp_path):
    with pytest.raises(ConfigError, match="command line: key 'budget'"):
        load_config(project(tmp_path, ""), {"budget": 2.0})


@given(st.text(max_size=80))
def test_any_text_in_the_file_gives_a_configuration_or_a_config_error(tmp_path_factory, text):
    folder = tmp_path_factory.mktemp("c")
    (folder / "pyproject.toml").write_text("[tool.si-verify]\n" + text, encoding="utf-8", errors="surrogatepass")
    try:
        assert isinstance(load_config(folder), Config)
    except ConfigError as error:
        assert "pyproject.toml" in str(error)
