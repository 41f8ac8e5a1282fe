"""The nouns that the host and every provider plugin share. Frozen dataclasses and protocols; no I/O.

A plugin imports this package, `automl_bench.hookspecs` (for the marker), `automl_bench.errors` and what it wants of
`automl_bench.toolkit`, nothing else of the core. Fields are only ever added, always with a default.
"""

from __future__ import annotations

from automl_bench.contract.contexts import ProviderContext as ProviderContext
from automl_bench.contract.contexts import TrialContext as TrialContext
from automl_bench.contract.descriptions import AccessReport as AccessReport
from automl_bench.contract.descriptions import Limits as Limits
from automl_bench.contract.descriptions import ProviderDescription as ProviderDescription
from automl_bench.contract.descriptions import ReportedTimes as ReportedTimes
from automl_bench.contract.descriptions import Setting as Setting
from automl_bench.contract.descriptions import SettingKind as SettingKind
from automl_bench.contract.descriptions import Variant as Variant
from automl_bench.contract.environments import Environment as Environment
from automl_bench.contract.environments import Where as Where
from automl_bench.contract.operations import Deletion as Deletion
from automl_bench.contract.operations import Operation as Operation
from automl_bench.contract.operations import OperationState as OperationState
from automl_bench.contract.operations import Resource as Resource
from automl_bench.contract.operations import ResourceRecorder as ResourceRecorder
from automl_bench.contract.operations import owner_of as owner_of
from automl_bench.contract.predictions import LONGEST_ANSWER as LONGEST_ANSWER
from automl_bench.contract.predictions import CallInvoker as CallInvoker
from automl_bench.contract.predictions import Endpoint as Endpoint
from automl_bench.contract.predictions import HttpInvoker as HttpInvoker
from automl_bench.contract.predictions import Invoker as Invoker
from automl_bench.contract.predictions import Lanes as Lanes
from automl_bench.contract.predictions import Prediction as Prediction
from automl_bench.contract.predictions import Usage as Usage
from automl_bench.contract.prices import TOKENS_A_UNIT as TOKENS_A_UNIT
from automl_bench.contract.prices import Counted as Counted
from automl_bench.contract.prices import Price as Price
from automl_bench.contract.reports import ReportSection as ReportSection
from automl_bench.contract.requests import CallPhase as CallPhase
from automl_bench.contract.requests import CallTiming as CallTiming
from automl_bench.contract.requests import HttpRequest as HttpRequest
from automl_bench.contract.requests import HttpResponse as HttpResponse
from automl_bench.contract.requests import Outcome as Outcome
from automl_bench.contract.samples import Column as Column
from automl_bench.contract.samples import ColumnKind as ColumnKind
from automl_bench.contract.samples import DatasetSource as DatasetSource
from automl_bench.contract.samples import LabelledSample as LabelledSample
from automl_bench.contract.samples import ManifestEntry as ManifestEntry
from automl_bench.contract.samples import ProviderManifest as ProviderManifest
from automl_bench.contract.samples import Sample as Sample
from automl_bench.contract.samples import TrainingSet as TrainingSet
from automl_bench.contract.samples import Value as Value
from automl_bench.contract.sending import BulkSender as BulkSender
from automl_bench.contract.sending import RequestMaker as RequestMaker
from automl_bench.contract.sending import SendFailure as SendFailure
from automl_bench.contract.sending import SendReport as SendReport
from automl_bench.contract.vocabulary import CONTRACT_VERSION as CONTRACT_VERSION
from automl_bench.contract.vocabulary import Capability as Capability
from automl_bench.contract.vocabulary import Json as Json
from automl_bench.contract.vocabulary import Modality as Modality
from automl_bench.contract.vocabulary import Stage as Stage
from automl_bench.ownership import NAME_PREFIX as NAME_PREFIX
from automl_bench.ownership import NameParts as NameParts
from automl_bench.ownership import Owner as Owner
from automl_bench.ownership import is_old_name as is_old_name
from automl_bench.ownership import owner_from_tags as owner_from_tags
from automl_bench.ownership import owner_tags as owner_tags
from automl_bench.ownership import parse_name as parse_name
from automl_bench.ownership import resource_name as resource_name
