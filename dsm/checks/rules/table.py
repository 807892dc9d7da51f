"""The table of rules. To add one, write its module (a `Rule`) and its row here."""

from __future__ import annotations

from dsm.checks.rule import Rule
from dsm.checks.rules.attributes import Attribute
from dsm.checks.rules.change import Change
from dsm.checks.rules.classes import Classes
from dsm.checks.rules.contents import Audio, Decodes, ExtensionFits, Image, Text
from dsm.checks.rules.drift import DriftRule
from dsm.checks.rules.duplicates import ConflictingLabels, Duplicates
from dsm.checks.rules.files import Extensions, PathPattern, Size
from dsm.checks.rules.labels import Balance, LabelCounts, Labels
from dsm.checks.rules.leakage import Leakage
from dsm.checks.rules.media_types import MediaTypes
from dsm.checks.rules.near import NearDuplicates
from dsm.checks.rules.outliers import Outliers
from dsm.checks.rules.pandera import PanderaSchema
from dsm.checks.rules.personal import PersonalData

RULES: tuple[type[Rule], ...] = (
    Extensions, MediaTypes, ExtensionFits, Size, PathPattern,
    Decodes, Image, Audio, Text, PersonalData,
    Labels, Classes, LabelCounts, Balance, ConflictingLabels,
    Attribute, Outliers, PanderaSchema,
    Duplicates, NearDuplicates, Leakage,
    Change, DriftRule,
)  # fmt: skip
BY_NAME = {rule.name: rule for rule in RULES}
