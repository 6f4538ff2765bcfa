package formula

// Read is one cell the formula looked at.
type Read struct {
	Ref     string `json:"ref"`
	Value   any    `json:"value"`
	Counted bool   `json:"counted"` // it went into the result: SUM passes over text, SUMIF over what does not match
}

// tracedCells bounds the trace: a person reads no more.
const tracedCells = 200

type tracer struct {
	reads map[place]int
	list  []tracedRead
	more  bool
}

type tracedRead struct {
	at      place
	value   Value
	counted bool
}

// noteRead remembers a cell the formula itself looked at.
func (e *evaluator) noteRead(p place, v Value, counted bool) {
	if e.nested > 0 {
		return
	}
	t := &e.trace
	if i, ok := t.reads[p]; ok {
		t.list[i].counted = t.list[i].counted || counted
		return
	}
	if len(t.list) == tracedCells {
		t.more = true
		return
	}
	if t.reads == nil {
		t.reads = map[place]int{}
	}
	t.reads[p] = len(t.list)
	t.list = append(t.list, tracedRead{p, v, counted})
}

// readsOf writes the trace for people.
func (e *evaluator) readsOf() []Read {
	out := make([]Read, 0, len(e.trace.list))
	for _, r := range e.trace.list {
		out = append(out, Read{e.book.address(r.at), r.value.Plain(), r.counted})
	}
	return out
}
