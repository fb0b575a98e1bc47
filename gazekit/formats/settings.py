"""The section ``[bids]`` of a study file: what a data set says of itself and no recording can know."""

from __future__ import annotations

from gazekit.core.config import Section


class BidsSection(Section):
    """``[bids]``: who made the data, under which licence, and what people were asked to do."""

    name: str = ""
    authors: list[str] = []
    licence: str = ""
    acknowledgements: str = ""
    how_to_acknowledge: str = ""
    funding: list[str] = []
    ethics_approvals: list[str] = []
    references: list[str] = []
    doi: str = ""
    source: str = ""  # address of the data that this was made of
    hed_version: str = ""
    task_description: str = ""
    instructions: str = ""
    cognitive_atlas: str = ""  # address of the task's term
    cogpo: str = ""
    institution: str = ""
    institution_address: str = ""
    department: str = ""

    def dataset(self) -> dict[str, object]:
        """Return what ``dataset_description.json`` says, without what is empty."""
        fields: dict[str, object] = {
            "Authors": self.authors,
            "License": self.licence,
            "Acknowledgements": self.acknowledgements,
            "HowToAcknowledge": self.how_to_acknowledge,
            "Funding": self.funding,
            "EthicsApprovals": self.ethics_approvals,
            "ReferencesAndLinks": self.references,
            "DatasetDOI": self.doi,
            "SourceDatasets": [{"URL": self.source}] if self.source else [],
            "HEDVersion": self.hed_version,
        }
        return {name: value for name, value in fields.items() if value}

    def task(self) -> dict[str, object]:
        """Return what the sidecar of events says of the task and the place, without what is empty."""
        fields: dict[str, object] = {
            "TaskDescription": self.task_description,
            "Instructions": self.instructions,
            "CogAtlasID": self.cognitive_atlas,
            "CogPOID": self.cogpo,
            "InstitutionName": self.institution,
            "InstitutionAddress": self.institution_address,
            "InstitutionalDepartmentName": self.department,
        }
        return {name: value for name, value in fields.items() if value}
