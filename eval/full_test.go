package eval

import "flag"

// Full asks for the long form of what has one.
var Full = flag.Bool("full", false, "run the long form of what has one")
