package code

import (
	"time"

	"assay/validators/sandbox"
)

// PythonProgram judges one program in Python. Each has a child of its own.
var PythonProgram = sandbox.Program{
	Name:    "python",
	Prepare: Python.Prepare,
	Open:    OpenPython,
	Limits:  sandbox.Limits{Wall: 15 * time.Second, Memory: 3 * guestSpace, Output: 1 << 20},
	Ahead:   1,
}
