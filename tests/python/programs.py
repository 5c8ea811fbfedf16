"""Programs in OpenQASM 2, written at random from a seed: what people write, and what few do but
may."""

import random

#: Gates of `qelib1.inc`: angles and qubits.
STANDARD = {
    **{name: (0, 1) for name in "id x y z h s sdg t tdg".split()},
    **{name: (1, 1) for name in "rx ry rz u1".split()},
    **{"u2": (2, 1), "u3": (3, 1), "cx": (0, 2), "cy": (0, 2), "cz": (0, 2), "ch": (0, 2)},
    **{"crz": (1, 2), "cu1": (1, 2), "cu3": (3, 2), "ccx": (0, 3)},
}
BUILTIN = {"U": (3, 1), "CX": (0, 2)}
#: Names of gates that programs define: those of newer libraries, with any numbers of angles and
#: qubits, and others.
NAMES = (
    "u p sx sxdg u0 swap cswap crx cry cp csx cu rxx rzz rccx rc3x c3x c4x iswap ecr dcx majority g_1 mygate".split()
)
COMMENTS = ["// a comment\n", "// gate swap a, b { cx a, b; }\n", "// if (c == 1) reset q;\n", "\n", "\t"]


def listed(comma: str, angles: list[str]) -> str:
    return f"({comma.join(angles)})"


class Program:
    """One program, and whether something in it has no unitary."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.gates = dict(BUILTIN)
        self.lines = ["OPENQASM 2.0;"]
        self.has_unitary = True
        if self.chance(0.9):
            self.gates |= STANDARD
            self.lines.append('include "qelib1.inc";')
        names = self.random.sample(NAMES, self.random.randint(0, 4))
        early = self.random.randint(0, len(names))
        for name in names[:early]:
            self.define(name)
        self.declare()
        for name in names[early:]:
            self.define(name)
        for _ in range(self.random.randint(1, 12)):
            self.statement()
        if self.chance(0.15):
            self.without_unitary()
        self.measure()

    @property
    def text(self) -> str:
        joined = []
        for line in self.lines:
            joined += [line, self.random.choice(COMMENTS) if self.chance(0.2) else "\n"]
        return "".join(joined)

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def angle(self, names: list[str], depth: int = 0) -> str:
        """An expression; of the names that a gate's definition has for its angles."""
        kind = self.random.randrange(8 if depth < 2 else 3)
        if kind == 0 and names:
            return self.random.choice(names)
        if kind < 2:
            return self.random.choice(["pi", "pi/2", "-pi/4", "3*pi/8", "0", "2*pi"])
        if kind == 2:
            return repr(round(self.random.uniform(-4, 4), self.random.randint(1, 9)))
        inner = self.angle(names, depth + 1)
        other = self.angle(names, depth + 1)
        return [f"({inner})+{other}", f"-({inner})", f"({inner})*({other})", f"sin({inner})", f"({inner})/3.5"][
            kind - 3
        ]

    def application(self, gate: str, places: list[str], names: list[str]) -> str:
        angles = [self.angle(names) for _ in range(self.gates[gate][0])]
        comma = self.random.choice([",", ", "])
        return f"{gate}{listed(comma, angles) if angles else ''} {comma.join(places)};"

    def define(self, name: str) -> None:
        """A gate of the program's own, over any before it; at times an opaque one, which nothing
        applies."""
        angles, qubits = self.random.randint(0, 3), self.random.randint(1, 3)
        # At times named like gates.
        names = self.random.sample(["a", "theta", "p", "sx", "lambda_1"], angles)
        places = self.random.sample(["a0", "b", "swap", "q", "c"], qubits)
        head = f"{name}{listed(',', names) if angles or self.chance(0.2) else ''} {', '.join(places)}"
        if self.chance(0.1):
            self.lines.append(f"opaque {head};")
            return
        fitting = [gate for gate, (_, width) in self.gates.items() if width <= qubits and gate not in (*names, *places)]
        body = []
        for _ in range(self.random.randint(0, 4)):
            gate = self.random.choice(fitting)
            body.append(self.application(gate, self.random.sample(places, self.gates[gate][1]), names))
            if self.chance(0.1):
                body.append(f"barrier {places[0]};")
        self.lines.append(f"gate {head} {{ {' '.join(body)} }}")
        self.gates[name] = angles, qubits

    def declare(self) -> None:
        """Registers: small ones of which all is used, and at times a wide one of which little
        is."""
        self.registers = {name: self.random.randint(1, 2) for name in self.random.sample(["q", "r", "anc"], 2)}
        if self.chance(0.3):
            self.registers["wide"] = self.random.randint(9, 40)
        self.lines += [f"qreg {name}[{size}];" for name, size in self.registers.items()]
        self.lines += [f"creg {name}_c[{size}];" for name, size in self.registers.items()]

    def qubits(self) -> list[str]:
        """The qubits that gates may act on, at most six."""
        return [f"{name}[{place}]" for name, size in self.registers.items() for place in range(size)[-2:]]

    def statement(self) -> None:
        if self.chance(0.1):
            self.lines.append(f"barrier {', '.join(self.registers)};")
            return
        fitting = [gate for gate, (_, width) in self.gates.items() if width <= min(3, len(self.qubits()))]
        own = [gate for gate in fitting if gate not in STANDARD and gate not in BUILTIN]
        gate = self.random.choice(own if own and self.chance(0.5) else fitting)
        width = self.gates[gate][1]
        small = [name for name, size in self.registers.items() if size <= 2]
        if self.chance(0.25) and width <= len(small):
            # Broadcasts: over registers of one size, or over one register and qubits of others.
            first, *rest = self.random.sample(small, width)
            same = [name if self.registers[name] == self.registers[first] else f"{name}[0]" for name in rest]
            places = [first, *same]
        else:
            places = self.random.sample(self.qubits(), width)
        self.lines.append(self.application(gate, places, []))

    def without_unitary(self) -> None:
        """A reset, a condition or a measurement in the middle."""
        qubit, register = self.random.choice(self.qubits()), next(iter(self.registers))
        gate = "U(0,0,pi)"
        found = [f"reset {qubit};", f"if({register}_c=={self.random.randint(0, 1)}) {gate} {qubit};"]
        name, place = qubit.split("[")
        middle = f"measure {qubit} -> {name}_c[{place}; {gate} {qubit};"
        self.lines.append(self.random.choice([*found, middle]))
        self.has_unitary = False

    def measure(self) -> None:
        if self.chance(0.5):
            self.lines.append(f"barrier {','.join(self.registers)};")
        for name in self.registers:
            if self.chance(0.5):
                self.lines.append(f"measure {name} -> {name}_c;")
