"""Little literal files of one and the same pattern, in every format that is read."""

import io
import struct
import zipfile

import numpy as np

X = np.round(10.0 + 0.05 * np.arange(60), 2)
COUNTS = np.round(100 + 900 * np.exp(-(((X - 11.5) / 0.2) ** 2)))
ESD = np.round(np.sqrt(COUNTS), 2)


def columns(*values: np.ndarray, separator: str = " ", comma: bool = False) -> str:
    rows = (separator.join(f"{v:.2f}" for v in row) for row in zip(*values, strict=True))
    text = "\n".join(rows) + "\n"
    return text.replace(".", ",") if comma else text


def in_rows(counts: np.ndarray, width: int = 10) -> str:
    words = [f"{count:8.0f}" for count in counts]
    return "\n".join("".join(words[i : i + width]) for i in range(0, len(words), width)) + "\n"


def _numbers(values: np.ndarray) -> str:
    return " ".join(f"{value:g}" for value in values)


XRDML = f"""<?xml version="1.0" encoding="UTF-8"?>
<xrdMeasurements xmlns="http://www.xrdml.com/XRDMeasurement/1.5" status="Completed">
 <xrdMeasurement measurementType="Scan" status="Completed">
  <usedWavelength intended="K-Alpha">
   <kAlpha1 unit="Angstrom">1.5405980</kAlpha1>
   <kAlpha2 unit="Angstrom">1.5444260</kAlpha2>
   <kBeta unit="Angstrom">1.3922500</kBeta>
   <ratioKAlpha2KAlpha1>0.5000</ratioKAlpha2KAlpha1>
  </usedWavelength>
  <incidentBeamPath></incidentBeamPath>
  <scan appendNumber="0" mode="Continuous" scanAxis="Gonio" status="Completed">
   <dataPoints>
    <positions axis="2Theta" unit="deg">
     <startPosition>{X[0]}</startPosition><endPosition>{X[-1]}</endPosition>
    </positions>
    <positions axis="Omega" unit="deg">
     <startPosition>5.0</startPosition><endPosition>6.5</endPosition>
    </positions>
    <commonCountingTime unit="seconds">2.0</commonCountingTime>
    <intensities unit="counts">{_numbers(COUNTS)}</intensities>
   </dataPoints>
  </scan>
 </xrdMeasurement>
</xrdMeasurements>
"""

PDCIF = (
    "data_measured\n_diffrn_radiation_wavelength 1.5406\nloop_\n"
    "_pd_meas_2theta_scan\n_pd_meas_counts_total\n"
) + columns(X, COUNTS)

GSAS_STD = "title\nBANK 1 60 6 CONST 1000.0 5.0 0 0 STD\n" + in_rows(COUNTS)
GSAS_FXYE = "title\n# Calibrated wavelength = 0.413909\nBANK 1 60 60 CONS 1000.0 5.0 0 0 FXYE\n"
GSAS_FXYE += columns(X * 100, COUNTS, ESD)

GSAS_ESD = "title\nBANK 1 60 12 CONST 1000.0 5.0 0 0 ESD\n" + "\n".join(
    "".join(f"{y:8.0f}{e:8.2f}" for y, e in zip(COUNTS[i : i + 5], ESD[i : i + 5], strict=True))
    for i in range(0, 60, 5)
)
GSAS_ALT = "title\nBANK 1 60 15 CONST 1000.0 5.0 0 0 ALT\n" + "\n".join(
    "".join(
        f"{X[i] * 3200:8.0f}{COUNTS[i] * 1000:7.0f}{ESD[i] * 1000:5.0f}" for i in range(j, j + 4)
    )
    for j in range(0, 60, 4)
)

UXD = "; made up\n_FILEVERSION=2\n_ANODE='Cu'\n_WL1=1.540600\n_WL2=1.544390\n_WLRATIO=0.5\n"
UXD += "_DRIVE='COUPLED'\n_START=10\n_STEPSIZE=0.05\n_COUNTS\n" + in_rows(COUNTS)

RAS = '*RAS_DATA_START\n*RAS_HEADER_START\n*HW_XG_WAVE_LENGTH_ALPHA1 "0.709300"\n'
RAS += '*HW_XG_WAVE_LENGTH_ALPHA2 "0.713590"\n*MEAS_SCAN_AXIS_X "TwoThetaTheta"\n'
RAS += f'*MEAS_SCAN_UNIT_Y "counts"\n*MEAS_DATA_COUNT "{len(X)}"\n*RAS_HEADER_END\n'
RAS += "*RAS_INT_START\n" + columns(X, COUNTS, np.ones_like(X)) + "*RAS_INT_END\n*RAS_DATA_END\n"

RIGAKU_ASC = "*TYPE\t=  Raw\n*START\t=  10.0\n*STOP\t=  12.95\n*STEP\t=  0.05\n*COUNT\t=  60\n"
RIGAKU_ASC += "*WAVE_LENGTH1\t=  1.54059\n*WAVE_LENGTH2\t=  1.54441\n*BEGIN\n"
RIGAKU_ASC += "\n".join(
    ", ".join(f"{count:.0f}" for count in COUNTS[i : i + 4]) for i in range(0, 60, 4)
)
RIGAKU_ASC += "\n*END\n*EOF\n"


def bruker_raw() -> bytes:
    """Version 3 (RAW1.01): a header of 712 bytes, one range header of 304, then float32."""
    head = bytearray(712)
    head[:7] = b"RAW1.01"
    struct.pack_into("<I", head, 12, 1)
    struct.pack_into("<4d", head, 624, 1.788996, 1.792835, 1.62079, 0.5)
    part = bytearray(304)
    struct.pack_into("<2I", part, 0, 304, len(X))
    struct.pack_into("<2d", part, 8, X[0] / 2, X[0])
    struct.pack_into("<d", part, 176, 0.05)
    struct.pack_into("<2I", part, 252, 4, 0)
    return bytes(head) + bytes(part) + COUNTS.astype("<f4").tobytes()


def bruker_raw4() -> bytes:
    """Version 4: 61 bytes, a record of type 30 with the wavelengths, one range."""
    tube = bytearray(120)
    struct.pack_into("<2I", tube, 0, 30, 120)
    struct.pack_into("<5d", tube, 72, 1.5418, 1.540598, 1.544426, 1.39225, 0.5)
    part = bytearray(160)
    part[32:44] = b"LockedCouple"
    part[44:45] = b"d"
    struct.pack_into("<2d", part, 72, X[0], 0.05)
    struct.pack_into("<I", part, 88, len(X))
    struct.pack_into("<2I", part, 136, 4, 0)
    head = b"RAW4.00".ljust(61, b"\x00")
    return head + bytes(tube) + bytes(part) + COUNTS.astype("<f4").tobytes()


def zipped(members: dict[str, str]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return file.getvalue()


def rasx() -> bytes:
    profile = columns(X, COUNTS, np.ones_like(X), separator="\t")
    lists = "".join(
        f'<ContentHashList Name="{name}"/>'
        for name in ("Profile0.txt", "MesurementConditions0.xml")
    )
    conditions = (
        "<M><XrayGenerator><TargetName>Ag</TargetName>"
        "<WavelengthKalpha1>0.559422</WavelengthKalpha1>"
        "<WavelengthKalpha2>0.563813</WavelengthKalpha2></XrayGenerator>"
        "<ScanInformation><AxisName>TwoThetaTheta</AxisName></ScanInformation></M>"
    )
    return zipped(
        {
            "root.xml": f"<root><Data0>{lists}</Data0></root>",
            "Data0/Profile0.txt": profile,
            "Data0/MesurementConditions0.xml": conditions,
        }
    )


def brml() -> bytes:
    rows = "".join(f"<Datum>1.0,1,{x},{x / 2},{y}</Datum>" for x, y in zip(X, COUNTS, strict=True))
    raw = (
        '<RawData xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><FixedInformation><Tube>'
        '<WaveLengthAlpha1 Unit="Å" Value="2.289726" /><WaveLengthAlpha2 Unit="Å" '
        'Value="2.293651" /><WaveLengthBeta Unit="Å" Value="2.08487" />'
        '<WaveLengthRatio Value="0.5" /></Tube></FixedInformation><DataRoutes>'
        '<DataRoute RouteFlag="Measured"><DataViews>'
        '<RawDataView Start="2" Length="2" xsi:type="VaryingRawDataView">'
        '<FieldDefinitions AxisId="TwoTheta" /><FieldDefinitions AxisId="Theta" /></RawDataView>'
        '<RawDataView Start="4" Length="1" xsi:type="RecordedRawDataView" /></DataViews>'
        f"{rows}</DataRoute></DataRoutes></RawData>"
    )
    listing = "<D><RawDataReferenceList><s>Experiment0/RawData0.xml</s></RawDataReferenceList></D>"
    return zipped({"Experiment0/DataContainer.xml": listing, "Experiment0/RawData0.xml": raw})


FILES: dict[str, bytes] = {
    "columns.xy": ("# wavelength=1.5406\n" + columns(X, COUNTS)).encode(),
    "esd.xye": columns(X, COUNTS, ESD).encode(),
    "table.csv": ("2theta,counts,esd\n" + columns(X, COUNTS, ESD, separator=",")).encode(),
    "comma.txt": columns(X, COUNTS, separator=";", comma=True).encode(),
    "fit2d.chi": (
        f"title\n2-Theta Angle (Degrees)\nIntensity\n  {len(X)}\n" + columns(X, COUNTS)
    ).encode(),
    "dbws.dat": ("  10.000   0.050  12.950  PbSO4\n" + in_rows(COUNTS)).encode(),
    "rigaku.asc": RIGAKU_ASC.encode(),
    "scan.xrdml": XRDML.encode(),
    "powder.cif": PDCIF.encode(),
    "std.gsa": GSAS_STD.encode(),
    "esd.gsa": GSAS_ESD.encode(),
    "alt.gda": GSAS_ALT.encode(),
    "bm.fxye": GSAS_FXYE.encode(),
    "bruker.uxd": UXD.encode(),
    "rigaku.ras": RAS.encode(),
    "bruker.raw": bruker_raw(),
    "bruker4.raw": bruker_raw4(),
    "bruker.brml": brml(),
    "rigaku.rasx": rasx(),
}
