"""The errors that modelspan raises, all of them before the first prediction.

ConfigError (ValueError)      a setting is wrong; the message names value, rule and way out
└── ReferenceFileError        a reference file is edited, foreign or of an unknown version
"""

from __future__ import annotations


class ConfigError(ValueError):
    """A setting is wrong: the message names the value, the rule and the way out."""


class ReferenceFileError(ConfigError):
    """A reference file is not one of ours, was edited, or has an unknown version."""
