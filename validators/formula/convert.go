package formula

import (
	"math"
	"strings"
)

// unit is a measure CONVERT knows: its kind, its size in the kind's basic unit,
// and which prefixes it takes.
type unit struct {
	kind   string
	size   float64
	metric bool
	binary bool
	power  float64 // a prefix counts this often: 2 for areas, 3 for volumes
}

var unitTable = func() map[string]unit {
	m := map[string]unit{}
	add := func(kind string, size float64, metric bool, names ...string) {
		for _, name := range names {
			m[name] = unit{kind: kind, size: size, metric: metric, power: 1}
		}
	}
	const inch, foot, yard, mile, nautical = 0.0254, 0.3048, 0.9144, 1609.344, 1852
	const lightYear = 9.4607304725808e15
	const pica = inch / 72
	add("mass", 1, true, "g")
	add("mass", 14593.9029372064, false, "sg")
	add("mass", 453.59237, false, "lbm")
	add("mass", 1.66053906892e-24, true, "u")
	add("mass", 28.349523125, false, "ozm")
	add("mass", 0.06479891, false, "grain")
	add("mass", 45359.237, false, "cwt", "shweight")
	add("mass", 50802.34544, false, "uk_cwt", "lcwt", "hweight")
	add("mass", 6350.29318, false, "stone")
	add("mass", 907184.74, false, "ton")
	add("mass", 1016046.9088, false, "uk_ton", "LTON", "brton")
	add("length", 1, true, "m")
	add("length", mile, false, "mi")
	add("length", nautical, false, "Nmi")
	add("length", inch, false, "in")
	add("length", foot, false, "ft")
	add("length", yard, false, "yd")
	add("length", 1e-10, true, "ang")
	add("length", 1.143, false, "ell")
	add("length", lightYear, true, "ly")
	add("length", 3.08567758128155e16, true, "parsec", "pc")
	add("length", pica, false, "Picapt", "Pica")
	add("length", inch/6, false, "pica")
	add("length", 1609.34721869444, false, "survey_mi")
	add("time", 31557600, false, "yr")
	add("time", 86400, false, "day", "d")
	add("time", 3600, false, "hr")
	add("time", 60, false, "mn", "min")
	add("time", 1, true, "sec", "s")
	add("pressure", 1, true, "Pa", "p")
	add("pressure", 101325, true, "atm", "at")
	add("pressure", 133.322, true, "mmHg")
	add("pressure", 6894.75729316836, false, "psi")
	add("pressure", 133.322368421053, false, "Torr")
	add("force", 1, true, "N")
	add("force", 1e-5, true, "dyn", "dy")
	add("force", 4.4482216152605, false, "lbf")
	add("force", 0.00980665, true, "pond")
	add("energy", 1, true, "J")
	add("energy", 1e-7, true, "e")
	add("energy", 4.184, true, "c")
	add("energy", 4.1868, true, "cal")
	add("energy", 1.602176634e-19, true, "eV", "ev")
	add("energy", 2684519.53769617, false, "HPh", "hh")
	add("energy", 3600, true, "Wh", "wh")
	add("energy", 1.3558179483314, false, "flb")
	add("energy", 1055.05585262, false, "BTU", "btu")
	add("power", 745.69987158227, false, "HP", "h")
	add("power", 735.49875, false, "PS")
	add("power", 1, true, "W", "w")
	add("magnetism", 1, true, "T")
	add("magnetism", 1e-4, true, "ga")
	add("temperature", 1, false, "C", "cel", "F", "fah", "Rank", "Reau")
	add("temperature", 1, true, "K", "kel")
	const litre, gallon = 1e-3, 231 * inch * inch * inch
	add("volume", gallon/768, false, "tsp")
	add("volume", 5e-6, false, "tspm")
	add("volume", gallon/256, false, "tbs")
	add("volume", gallon/128, false, "oz")
	add("volume", gallon/16, false, "cup")
	add("volume", gallon/8, false, "pt", "us_pt")
	add("volume", 0.00056826125, false, "uk_pt")
	add("volume", gallon/4, false, "qt")
	add("volume", 0.0011365225, false, "uk_qt")
	add("volume", gallon, false, "gal")
	add("volume", 0.00454609, false, "uk_gal")
	add("volume", litre, true, "l", "L", "lt")
	add("volume", gallon*42, false, "barrel")
	add("volume", 0.03523907016688, false, "bushel")
	add("volume", 100*foot*foot*foot, false, "GRT", "regton")
	add("volume", 40*foot*foot*foot, false, "MTON")
	for name, side := range map[string]float64{"in": inch, "ft": foot, "yd": yard, "mi": mile, "Nmi": nautical, "ly": lightYear, "Pica": pica, "Picapt": pica, "m": 1, "ang": 1e-10} {
		metric := name == "m" || name == "ang"
		for _, mark := range []string{"3", "^3"} {
			m[name+mark] = unit{kind: "volume", size: side * side * side, metric: metric, power: 3}
		}
		for _, mark := range []string{"2", "^2"} {
			m[name+mark] = unit{kind: "area", size: side * side, metric: metric, power: 2}
		}
	}
	add("area", 4046.8564224, false, "uk_acre")
	add("area", 4046.87260987425, false, "us_acre")
	add("area", 100, true, "ar")
	add("area", 10000, false, "ha")
	add("area", 2500, false, "Morgen")
	m["bit"] = unit{kind: "information", size: 1, metric: true, binary: true, power: 1}
	m["byte"] = unit{kind: "information", size: 8, metric: true, binary: true, power: 1}
	add("speed", 1, true, "m/s", "m/sec")
	add("speed", 1.0/3600, true, "m/h", "m/hr")
	add("speed", mile/3600, false, "mph")
	add("speed", nautical/3600.0, false, "kn")
	add("speed", 6080*foot/3600, false, "admkn")
	return m
}()

var metricPrefixes = map[string]float64{"Y": 1e24, "Z": 1e21, "E": 1e18, "P": 1e15, "T": 1e12, "G": 1e9, "M": 1e6, "k": 1e3, "h": 1e2,
	"da": 10, "e": 10, "d": 1e-1, "c": 1e-2, "m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15, "a": 1e-18, "z": 1e-21, "y": 1e-24}

var binaryPrefixes = map[string]float64{"ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40, "Pi": 1 << 50, "Ei": 1 << 60, "Zi": 0x1p70, "Yi": 0x1p80}

// unitNamed finds a unit, by itself or behind a prefix.
func unitNamed(name string) (u unit, scale float64, base string, ok bool) {
	if u, ok := unitTable[name]; ok {
		return u, 1, name, true
	}
	for n := 2; n >= 1; n-- {
		if len(name) <= n {
			continue
		}
		u, ok := unitTable[name[n:]]
		if !ok {
			continue
		}
		if f, known := binaryPrefixes[name[:n]]; known && u.binary {
			return u, f, name[n:], true
		}
		if f, known := metricPrefixes[name[:n]]; known && u.metric {
			return u, math.Pow(f, u.power), name[n:], true
		}
	}
	return unit{}, 0, "", false
}

func convert(c *call) Value {
	from, fromScale, fromName, ok1 := unitNamed(c.str(1))
	to, toScale, toName, ok2 := unitNamed(c.str(2))
	if !ok1 || !ok2 || from.kind != to.kind {
		return errNA
	}
	if from.kind == "temperature" {
		return NumberOf(fromKelvin(toKelvin(c.num(0)*fromScale, fromName), toName) / toScale)
	}
	return NumberOf(c.num(0) * (from.size * fromScale) / (to.size * toScale))
}

func toKelvin(t float64, name string) float64 {
	switch strings.ToLower(name)[0] {
	case 'c':
		return t + 273.15
	case 'f':
		return (t + 459.67) * 5 / 9
	case 'r':
		if name == "Reau" {
			return t*1.25 + 273.15
		}
		return t * 5 / 9
	}
	return t
}

func fromKelvin(t float64, name string) float64 {
	switch strings.ToLower(name)[0] {
	case 'c':
		return t - 273.15
	case 'f':
		return t*9/5 - 459.67
	case 'r':
		if name == "Reau" {
			return (t - 273.15) / 1.25
		}
		return t * 9 / 5
	}
	return t
}
