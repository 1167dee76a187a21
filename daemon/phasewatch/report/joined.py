"""What the meters of a point say together, out of the payload that tells its state."""

from collections.abc import Mapping

from phasewatch.electrical.diagnosis import Diagnosis, diagnose
from phasewatch.meters.measuring_point import Contradiction
from phasewatch.report.material import Material, Payload
from phasewatch.service.build import supply_of


def judged(payload: Payload) -> Mapping[str, float]:
    """Return the readings that the verdict was found with."""
    unjudged = payload.get("unjudged") or {}
    return {name: value for name, value in payload["readings"].items() if name not in unjudged}


def diagnosed(material: Material, name: str, payload: Payload) -> Diagnosis:
    """Return the diagnosis of a point's readings as they stand."""
    known = material.messages["unjudged"]
    unjudged = {quantity: why for quantity, why in (payload.get("unjudged") or {}).items() if why in known}
    supply = supply_of(material.loaded, name)
    return diagnose(judged(payload), supply, unjudged=unjudged, contradiction=contradiction(payload))


def contradiction(payload: Payload) -> Contradiction | None:
    """Return what two meters of the point do not agree on; None where they agree."""
    match payload.get("contradiction"):
        case {"quantity": str(quantity), "meters": [first, second], "values_v": [first_v, second_v]}:
            return Contradiction(quantity, str(first), float(first_v), str(second), float(second_v))
    return None
