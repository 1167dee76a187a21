import pytest

from phasewatch.configuration.files import config_directory, load_profile, profile_ids
from phasewatch.meters.decode import example_problems
from phasewatch.meters.profile import Block, Profile
from phasewatch.meters.quantities import LL, LN
from phasewatch.meters.readplan import Request, plan, serial_cost, tcp_cost
from tests.cli.program import phasewatch

VOLTAGE_REQUESTS = {
    "abb-b21": 1,
    "abb-b23-b24": 1,
    "abb-m4m": 1,
    "abb-terra-ac": 1,
    "accuenergy-acuvim-ii": 1,
    "acrel-adl400": 2,
    "acrel-adw300": 1,
    "alfen-ng9xx": 1,
    "algodue-upm3xx-family": 1,
    "apc-smart-ups": 1,
    "artemes-am2": 1,
    "bender-cc612": 1,
    "bender-isomil425": 1,
    "bender-pem333": 1,
    "bender-pem353-cet-pmc53a": 1,
    "bernecker-mpm3pm": 1,
    "bgetech-ds100": 1,
    "bgetech-ws100": 1,
    "camillebauer-aplus": 1,
    "carlogavazzi-em111-em112": 1,
    "carlogavazzi-em24-e1": 1,
    "carlogavazzi-em24-rs485": 2,
    "carlogavazzi-em330-em340": 1,
    "carlogavazzi-em530-em540": 1,
    "chauvinarnoux-enerium-200": 1,
    "chint-ddsu666": 1,
    "chint-dtsu666": 1,
    "circutor-cvm-c10": 2,
    "comap-intelilite4": 1,
    "cre-compact": 1,
    "datakom-d500": 1,
    "deepsea-gencomm": 1,
    "deif-agc150": 1,
    "deye-hybrid-3p": 1,
    "deye-string": 1,
    "dzg-dvh4013": 1,
    "eastron-sdm120": 1,
    "eastron-sdm220": 1,
    "eastron-sdm230": 1,
    "eastron-sdm630": 2,
    "eastron-sdm72d-m": 0,
    "eastron-sdm72d-m-v2": 2,
    "eastron-smart-x96": 2,
    "eaton-pxm2250": 1,
    "eltako-dsz15dzmod": 1,
    "entes-mpr-4x": 1,
    "eredes-emi": 1,
    "finder-7m24": 1,
    "goodwe-et-meter": 1,
    "gossen-energymid": 1,
    "growatt-3p": 1,
    "hager-ecr380d": 1,
    "heidelberg-energy-control": 1,
    "hiking-dds238": 1,
    "hiking-dts238-7": 1,
    "huawei-sun2000-meter": 1,
    "huawei-ups2000": 1,
    "iammeter-wem3080t": 1,
    "inepro-pro380": 1,
    "iskra-float-2500": 1,
    "janitza-b23": 1,
    "janitza-umg103": 1,
    "janitza-umg511": 2,
    "janitza-umg604": 1,
    "janitza-umg96-pa": 1,
    "janitza-umg96rm": 1,
    "jsy-mk-333": 1,
    "keba-kecontact-p30": 3,
    "kmb-pqplus-umd": 1,
    "kostal-plenticore-meter": 1,
    "lovato-dmg": 1,
    "mennekes-amtron-compact": 1,
    "oem-ddm18sd": 1,
    "orno-or-we-504": 1,
    "orno-or-we-514-515": 1,
    "orno-or-we-516-517": 1,
    "orno-or-we-525": 1,
    "peacefair-pzem-016": 1,
    "peblar-wallbox": 1,
    "phoenixcontact-charx": 1,
    "phoenixcontact-eem-ma370": 1,
    "rayleigh-ri-f200": 1,
    "saia-sbc-ale3": 1,
    "schneider-iem2150": 1,
    "schneider-iem3000": 1,
    "schneider-pm5000": 1,
    "schneider-pm800": 2,  # the voltages, and their scale groups
    "schneider-powertag": 2,
    "shelly-pro-3em": 3,
    "siemens-7kt-pac1600": 1,
    "siemens-pac3200": 1,
    "siemens-sicam-fcm": 1,
    "siemens-sicam-t-q100": 1,
    "siemens-versicharge": 1,
    "sma-tripower": 1,
    "smappee-power-box": 1,
    "socomec-countis-e": 1,
    "socomec-diris-a": 1,
    "socomec-diris-b30": 1,
    "socomec-ups-jbus": 1,
    "solarman-dtsd422": 1,
    "solis-hybrid-meter": 1,
    "sungrow-sh-inverter": 1,
    "sungrow-sh-meter": 1,
    "sunspec-101-103-int": 1,
    "sunspec-111-113-float": 1,
    "sunspec-201-204-int": 1,
    "sunspec-211-214-float": 1,
    "sunspec-701": 1,
    "tq-em300-em420-ksem": 1,
    "vestel-evc": 3,
    "victron-gx-grid": 1,
    "victron-vm-3p75ct": 2,
    "wattnode-se-mtr-3y": 1,
    "weidmueller-em525": 1,
    "wirenboard-wb-map3e": 1,
    "ziehl-efr4001ip": 1,
}
"""The meters that ship, and the requests that their maps need for all voltages."""


def keeps_the_limits(request: Request, profile: Profile) -> bool:
    aligned = request.address % profile.align_words == 0 == request.count % profile.align_words
    clear = all(request.end <= hole.address or hole.end <= request.address for hole in profile.holes)
    return aligned and clear and request.count <= profile.max_words


@pytest.mark.parametrize("profile_id", profile_ids())
def test_every_profile_can_be_planned_and_reads_its_examples(profile_id: str) -> None:
    profile = load_profile(profile_id)
    assert example_problems(profile) == []
    assert len(profile.examples) >= 2
    for cost in (serial_cost(9600), tcp_cost()):
        requests = plan(profile, profile.registers, cost)
        assert requests
        assert all(keeps_the_limits(request, profile) for request in requests)


@pytest.mark.parametrize("profile_id", profile_ids())
def test_every_profile_has_the_name_of_its_file_and_says_where_its_facts_come_from(profile_id: str) -> None:
    profile = load_profile(profile_id)
    assert profile.id == profile_id
    assert all(source.strip() for source in profile.sources)


@pytest.mark.parametrize(("profile_id", "requests"), VOLTAGE_REQUESTS.items())
def test_the_voltages_of_a_meter_take_as_few_requests_as_its_map_allows(profile_id: str, requests: int) -> None:
    profile = load_profile(profile_id)
    assert len(plan(profile, profile.voltages, serial_cost(9600))) == requests


APART = {
    "vestel-evc": "its public program reads each value alone; the words between are in no document",
    "schneider-powertag": "its public program reads each value alone, and says nothing of the words between",
    "shelly-pro-3em": "each phase is a component of its own, and what lies between them is in no document",
}
"""Meters whose phase-neutral and line voltages would fit into fewer requests if the gaps could be read along."""


@pytest.mark.parametrize("profile_id", profile_ids())
def test_the_phase_and_line_voltages_are_as_near_as_the_longest_request_reaches(profile_id: str) -> None:
    """Blocks are what a profile says of a meter's gaps: where they cost a request, there is a reason."""
    profile = load_profile(profile_id)
    names = [name for name in (*LN, *LL) if name in profile.registers]
    if not names:
        return
    whole = Block(address=0, words=0x10000)
    lenient = profile.model_copy(update={"blocks": (whole,)})
    fewest, needed = (len(plan(one, names, serial_cost(9600))) for one in (lenient, profile))
    assert (needed > fewest) == (profile_id in APART)


def test_the_command_lists_every_meter_that_ships() -> None:
    listed = {entry["id"] for entry in phasewatch("meters", "list", "--json").json()}
    assert set(VOLTAGE_REQUESTS) - listed == set()


def test_the_documents_count_the_meters_that_ship() -> None:
    page = (config_directory().parent / "docs" / "tutorial" / "first-meter.md").read_text(encoding="utf-8")
    assert f"shows the {len(VOLTAGE_REQUESTS)} meter" in " ".join(page.split())
    assert set(VOLTAGE_REQUESTS) == set(profile_ids()) - {"generic"}
