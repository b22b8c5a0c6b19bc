"""receiver.py KEYFILE FILE.bin: verifies datagrams of wire format 1, prints each as a JSON line."""
import hashlib, json, struct, sys
TYPES = [None, "pick", "estimate", "alert", "health", "ping", "pong", "acknowledgement", "command"]
HEADER = "<24sIIqBBHI", """station boot sequence emitted_ns clock_state clock_source reserved
    clock_uncertainty_ns """
PICK = "IBBbBqIHHhBB", """id status phase first_motion quality time_ns sigma_us probability
    first_motion_probability snr_centidecibels picker pick_flags"""
HEALTH = "qi5I2Q7I4B3IHh9IfqB16s31s", """clock_offset_ns clock_rate_ppb edges missed_edges
    rejected_edges forward_steps refused_backward_steps frames gap_frames gaps overruns short_reads
    suspends reopenings clipped_frames spikes clipped_lanes spiked_lanes stuck_lanes dead_lanes loop_median_ns
    loop_999_ns loop_maximum_ns ring_fill_per_mille temperature_centidegrees resident_kib memory_available_mib
    disk_free_mib uptime_s datagrams_sent send_failures datagrams_accepted datagrams_rejected picks noise_counts
    last_pick_ns state software model"""
PAYLOADS = {"pick": PICK, "health": HEALTH, "ping": ("Q", "nonce"),
            "pong": ("Q" + HEALTH[0], "nonce " + HEALTH[1]),
            "command": ("QIHBBqq", "counter command_id parameter result reserved value expires_ns")}
UNKNOWN = {"probability": 0xFFFF, "first_motion_probability": 0xFFFF, "temperature_centidegrees": -2**15
           } | dict.fromkeys("last_pick_ns value expires_ns".split(), -2**63) | dict.fromkeys(
    "loop_median_ns loop_999_ns loop_maximum_ns resident_kib memory_available_mib disk_free_mib".split(), 2**32 - 1)
RANGES = {"clock_state": (0, 3), "clock_source": (0, 3), "reserved": (0, 0), "status": (1, 3),
          "phase": (1, 2), "first_motion": (-1, 1), "quality": (1, 4), "probability": (0, 10_000),
          "first_motion_probability": (0, 10_000), "picker": (1, 2), "pick_flags": (0, 1), "state": (0, 7),
          "counter": (1, 2**63 - 1), "result": (0, 5), "ring_fill_per_mille": (0, 1000)
          } | dict.fromkeys("clipped_lanes spiked_lanes stuck_lanes dead_lanes".split(), (0, 15))

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
    require(len(rest) >= 72, "is shorter than a header and a tag, 72 bytes")
    magic, version, kind, length = struct.unpack("<4sBBH", rest[:8])
    require(magic == b"ONST", "does not begin with ONST")
    require(version == 1, "has a version other than 1")
    require(72 <= length <= len(rest), "has a length field that differs from its length")
    tag = hashlib.blake2b(rest[:length - 16], key=key, digest_size=16).digest()
    require(tag == rest[length - 16:length], "is not signed with this key")
    require(1 <= kind <= 8, "has a type beyond those of version 1")
    layout, names = PAYLOADS.get(TYPES[kind], (f"{length - 72}x", ""))  # reserved: header only
    require(struct.calcsize(HEADER[0] + layout) == length - 24)
    values = struct.unpack(HEADER[0] + layout, rest[8:length - 16])
    found = {name: field(name, value) for name, value in zip((HEADER[1] + names).split(), values)}
    return {"type": TYPES[kind], **found}, length

def main(key_file, datagram_file):
    key, data, offset = open(key_file, "rb").read(), open(datagram_file, "rb").read(), 0
    while offset < len(data):
        try: found, length = message(data[offset:offset + 400], key)
        except ValueError as error: sys.exit(f"the datagram at byte {offset} {error}")
        print(json.dumps(found))
        offset += length
if __name__ == "__main__": main(*sys.argv[1:])
