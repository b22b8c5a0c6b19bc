"""receiver.py KEYFILE FILE.bin: verifies datagrams of wire format 2, prints each as a JSON line."""
import hashlib, json, struct, sys
TYPES = [None] + "pick estimate alert health ping pong acknowledgement command answer audit instrument peaks network trial key vote".split()
HEADER = "<24sQIIqBBHI", "station epoch boot sequence emitted_ns clock_state clock_source reserved clock_uncertainty_ns "
HEALTH = "qi5I2Q7I4B3IHh9IfqB16s21s6BHHhHHHIHBBII", """clock_offset_ns clock_rate_ppb edges missed_edges rejected_edges
    forward_steps refused_backward_steps frames gap_frames gaps overruns short_reads suspends reopenings clipped_frames
    spikes clipped_lanes spiked_lanes stuck_lanes dead_lanes loop_median_ns loop_999_ns loop_maximum_ns
    ring_fill_per_mille temperature_centidegrees resident_kib memory_available_mib disk_free_mib uptime_s datagrams_sent
    send_failures datagrams_accepted datagrams_rejected picks noise_counts last_pick_ns state software model
    quorum refused_votes relay alarm_state keeping inhibit incapacity changed_parameters calibration_days drill_s dropped_actions unacknowledged given_up unacknowledged_second time_stratum pulse_feed time_reference root_distance_us"""
PAYLOADS = {
    "pick": ("IBBbBqIHHhBBQ", """id status phase first_motion quality time_ns sigma_us probability
        first_motion_probability snr_centidecibels picker pick_flags fingerprint"""),
    "estimate": ("IHBBqHhHHIHH6fHHHhffhH", """pick_id after_p_ms event_class estimate_flags pick_time_ns class_probability
        magnitude magnitude_sigma distance_sigma_log10 distance_m back_azimuth back_azimuth_sigma tau_c_s pd_m pa_ms2
        pv_ms pga_ms2 pgv_ms pga_sigma_log10 pgv_sigma_log10 mmi jma observed_pga_ms2 observed_pgv_ms observed_jma none"""),
    "alert": ("IIqqBBBBBBBB", "alert_id pick_id pick_time_ns decided_ns level reason relay drill repeat evidence votes none"),
    "health": HEALTH, "acknowledgement": ("IIQ", "acknowledged_boot newest stored"),
    "instrument": ("4iHBBI" + 3 * "24sHHf" + "40s40s24s16sII", "latitude longitude elevation_cm depth_cm north_azimuth lanes quantity rate_mhz "
        + "".join("{0}_serial {0}_measured {0}_until {0}_counts ".format(lane) for lane in ("vertical", "north", "east"))
        + "sensor board board_serial software picker_checksum estimator_checksum"),
    "peaks": ("qHBBhH6f", "second_ns samples clipped_lanes none jma none " + " ".join(f"{way}_{peak}" for way in ("vertical", "horizontal") for peak in ("pga_ms2", "pgv_ms", "pd_m"))),
    "trial": ("BBH7I", "trial_state none none checksum live_checksum shadow_s both live_only shadow_only largest_us"),
    "audit": ("QQQIIHBBIq", "operator boot_nonce issued_us life_ms command_id parameter result none none value")}
UNKNOWN = {name: value for value, names in {
    0xFFFF: """probability first_motion_probability class_probability magnitude_sigma distance_sigma_log10 back_azimuth back_azimuth_sigma
        pga_sigma_log10 pgv_sigma_log10 mmi vertical_measured vertical_until north_measured north_until east_measured east_until""",
    -2**31: "latitude longitude elevation_cm depth_cm", -2**15: "temperature_centidegrees magnitude jma observed_jma", 2**15 - 1: "calibration_days",
    -2**63: "last_pick_ns value pick_time_ns", 2**32 - 1: "loop_median_ns loop_999_ns loop_maximum_ns resident_kib memory_available_mib disk_free_mib distance_m root_distance_us",
}.items() for name in names.split()}
RANGES = {"clock_state": (0, 3), "clock_source": (0, 4), "reserved": (0, 0), "none": (0, 0), "status": (1, 3), "phase": (1, 2),
          "first_motion": (-1, 1), "quality": (1, 4), "probability": (0, 10_000), "first_motion_probability": (0, 10_000),
          "class_probability": (0, 10_000), "picker": (1, 2), "pick_flags": (0, 1), "fingerprint": (0, 2**63 - 1), "state": (0, 15),
          "issued_us": (0, 2**63 - 1), "life_ms": (1, 600_000), "result": (1, 7), "event_class": (0, 6), "estimate_flags": (0, 15),
          "back_azimuth": (0, 35_999), "back_azimuth_sigma": (0, 18_000), "mmi": (0, 1200), "alert_id": (1, 2**32 - 1), "level": (1, 3),
          "reason": (1, 11), "relay": (0, 3), "drill": (0, 1), "ring_fill_per_mille": (0, 1000), "alarm_state": (0, 4), "keeping": (0, 3),
          "inhibit": (0, 3), "evidence": (0, 63), "incapacity": (0, 511), "quorum": (0, 120), "changed_parameters": (0, 32_767), "lanes": (0, 15),
          "quantity": (0, 2), "north_azimuth": (0, 35_999), "latitude": (-900_000_000, 900_000_000),
          "longitude": (-1_800_000_000, 1_800_000_000), "elevation_cm": (-1_000_000, 1_000_000), "depth_cm": (0, 1_000_000), "samples": (0, 1000), "trial_state": (1, 6), "pulse_feed": (0, 3), "time_stratum": (0, 16)} | dict.fromkeys("clipped_lanes spiked_lanes stuck_lanes dead_lanes".split(), (0, 15))
def require(condition, sentence="has a field outside its range, or a payload of the wrong size"):
    if not condition: raise ValueError(sentence)
def field(name, value):
    if isinstance(value, bytes):
        require(all(0x20 <= byte <= 0x7E for byte in value.rstrip(b"\0")))
        return value.rstrip(b"\0").decode("ascii")
    if value == UNKNOWN.get(name) or value - value != 0: return None  # NaN too
    require(RANGES.get(name, (value,))[0] <= value <= RANGES.get(name, (value,))[-1])
    return value / 10_000 if name.endswith("probability") else value
def message(rest, key):  # what `rest` begins with, and its length; checks in the document's order
    require(len(key) == 32, "cannot be checked: a key has exactly 32 bytes")
    require(len(rest) >= 80, "is shorter than a header and a tag, 80 bytes")
    magic, version, kind, length = struct.unpack("<4sBBH", rest[:8])
    require(magic == b"ONST", "does not begin with ONST")
    require(version == 2, "has a version other than 2")
    require(80 <= length <= len(rest), "has a length field that differs from its length")
    require(1 <= kind <= 16, "has a type beyond those of version 2")
    require(TYPES[kind] in PAYLOADS, "is between an operator and a station")
    tag = hashlib.blake2b(rest[:length - 16], key=key, digest_size=16).digest()
    require(tag == rest[length - 16:length], "is not sealed with this key")
    layout, names = PAYLOADS[TYPES[kind]]
    require(struct.calcsize(HEADER[0] + layout) == length - 24)
    found = {name: field(name, value) for name, value in zip((HEADER[1] + names).split(), struct.unpack(HEADER[0] + layout, rest[8:length - 16]))}
    return {"type": TYPES[kind], **found}, length
def main(key_file, datagram_file):
    key, data, offset = open(key_file, "rb").read(), open(datagram_file, "rb").read(), 0
    while offset < len(data):
        try: found, length = message(data[offset:offset + 400], key)
        except ValueError as error: sys.exit(f"the datagram at byte {offset} {error}")
        print(json.dumps(found)); offset += length
if __name__ == "__main__": main(*sys.argv[1:])
