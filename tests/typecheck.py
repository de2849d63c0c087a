"""The type checker of the test run: beartype, which accepts an int for a float here."""

from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
