//! The presets: gate sets with a name.

/// The presets: a name and its gates in order.
pub const PRESETS: [(&str, &[&str]); 6] = [
    ("clifford", &["h", "s", "sdg", "cx"]),
    ("clifford+t", &["h", "s", "sdg", "t", "tdg", "cx"]),
    ("ht", &["h", "t"]),
    ("nam", &["h", "x", RZ[0], RZ[1], RZ[2], RZ[3], RZ[4], RZ[5], RZ[6], "cx"]),
    ("ibm", &[RZ[0], RZ[1], RZ[2], RZ[3], RZ[4], RZ[5], RZ[6], "sx", "x", "cx"]),
    ("rigetti", &["rx(pi/2)", "rx(-pi/2)", "rx(pi)", RZ[0], RZ[1], RZ[2], RZ[3], RZ[4], RZ[5], RZ[6], "cz"]),
];

/// The rotations by multiples of pi/4, other than multiples of 2 pi.
const RZ: [&str; 7] =
    ["rz(pi/4)", "rz(pi/2)", "rz(3*pi/4)", "rz(pi)", "rz(-3*pi/4)", "rz(-pi/2)", "rz(-pi/4)"];
