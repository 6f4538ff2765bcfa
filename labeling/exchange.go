package labeling

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"assay/internal/fault"
)

// The formats of labels made elsewhere.
const (
	FormatLines       = "jsonl"        // one JSON object a line, as the export writes them
	FormatCSV         = "csv"          // a table with a head, as the export writes it
	FormatLabelStudio = "label-studio" // Label Studio's JSON and JSON-MIN: tasks with annotations
	FormatArgilla     = "argilla"      // Argilla's JSON: records with responses
)

// ImportFormats lists them.
var ImportFormats = []string{FormatLines, FormatCSV, FormatLabelStudio, FormatArgilla}

// source gives the labels of a file one by one, each with its number from 1
// and what is wrong with it; it ends when take returns false. The error is of
// the file as a whole.
type source func(take func(importLine, error) bool) error

// formatOf looks at how a file begins.
func formatOf(file *bufio.Reader) (string, error) {
	head, err := file.Peek(64 << 10)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return "", err
	}
	head = bytes.TrimSpace(bytes.TrimPrefix(head, []byte(byteOrderMark)))
	has := func(name string) bool { return bytes.Contains(head, []byte(name)) }
	switch {
	case len(head) == 0:
		return FormatLines, nil
	case head[0] == '[' || head[0] == '{':
		switch {
		case has(`"annotations"`), has(`"annotation_id"`):
			return FormatLabelStudio, nil
		case has(`"responses"`), has(`.responses"`):
			return FormatArgilla, nil
		case head[0] == '{':
			return FormatLines, nil
		}
	default:
		first, _, _ := bytes.Cut(head, []byte("\n"))
		if bytes.Contains(first, []byte("label")) && bytes.ContainsAny(first, ",\t") {
			return FormatCSV, nil
		}
	}
	return "", fault.Say(fault.Invalid, "The file begins like none of the formats that are read: %s. Name its format.", strings.Join(ImportFormats, ", "))
}

const byteOrderMark = "\ufeff"

func sourceOf(format string, file *bufio.Reader) (source, error) {
	if head, _ := file.Peek(len(byteOrderMark)); string(head) == byteOrderMark { // an error is met again when it is read
		file.Discard(len(byteOrderMark))
	}
	switch format {
	case FormatLines:
		return linesOf(file), nil
	case FormatCSV:
		return rowsOf(file), nil
	case FormatLabelStudio:
		return elementsOf(file, labelStudioTask), nil
	case FormatArgilla:
		return elementsOf(file, argillaRecord), nil
	}
	return nil, fault.Say(fault.Invalid, "The format is one of %s.", strings.Join(ImportFormats, ", "))
}

var errLongLine = errors.New("longer than 16 MB")

// linesOf reads one object a line. A line that is too long is refused like any
// other bad one, and the rest is read.
func linesOf(file *bufio.Reader) source {
	return func(take func(importLine, error) bool) error {
		for number := 0; ; {
			text, err := readLine(file)
			if err != nil && !errors.Is(err, errLongLine) && (len(text) == 0 || !errors.Is(err, io.EOF)) {
				if errors.Is(err, io.EOF) {
					err = nil
				}
				return err
			}
			text = bytes.TrimSpace(text)
			if len(text) == 0 && !errors.Is(err, errLongLine) {
				continue
			}
			number++
			line := importLine{number: number}
			if errors.Is(err, errLongLine) {
				err = errLongLine
			} else {
				line, err = parseImportLine(text, number)
			}
			if !take(line, err) {
				return nil
			}
		}
	}
}

// readLine reads a line of at most maxImportLine bytes; of a longer one it
// passes over the rest.
func readLine(file *bufio.Reader) ([]byte, error) {
	var line []byte
	long := false
	for {
		some, err := file.ReadSlice('\n')
		if long = long || len(line)+len(some) > maxImportLine; !long {
			line = append(line, some...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case long:
			return nil, errLongLine
		default:
			return line, err
		}
	}
}

// elementsOf reads a JSON array, or one value after another, element by
// element; each gives the labels of its annotators.
func elementsOf(file *bufio.Reader, read func(json.RawMessage) ([]importLine, error)) source {
	return func(take func(importLine, error) bool) error {
		bounded := &boundedElement{from: file, left: maxImportLine}
		decoder := json.NewDecoder(bounded)
		more := func() bool { return true }
		if first, err := firstByte(file); err == nil && first == '[' {
			if _, err := decoder.Token(); err != nil {
				return fault.Say(fault.Invalid, "The file is not a JSON array.")
			}
			more = decoder.More
		} else if first != '{' {
			return fault.Say(fault.Invalid, "The file is not a JSON array.")
		}
		for number := 1; more(); number++ {
			var element json.RawMessage
			bounded.left = maxImportLine
			err := decoder.Decode(&element)
			if errors.Is(err, io.EOF) && number > 1 {
				return nil
			}
			if errors.Is(err, errLongLine) {
				return fault.Say(fault.Invalid, "Element %d is longer than 16 MB. What was before it is read.", number)
			}
			if err != nil {
				return fault.Say(fault.Invalid, "The JSON breaks off in element %d. What was before it is read.", number)
			}
			lines, err := read(element)
			if err != nil && !take(importLine{number: number}, err) {
				return nil
			}
			for _, line := range lines {
				line.number = number
				if !take(line, nil) {
					return nil
				}
			}
		}
		return nil
	}
}

func firstByte(file *bufio.Reader) (byte, error) {
	for {
		c, err := file.ReadByte()
		if err != nil || c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return c, errors.Join(err, file.UnreadByte())
		}
	}
}

// boundedElement keeps an element without an end from filling the memory.
type boundedElement struct {
	from io.Reader
	left int
}

func (b *boundedElement) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errLongLine
	}
	n, err := b.from.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// named reads which response an element of a foreign file is about.
func (l *importLine) named(fields map[string]json.RawMessage) {
	text := func(name string) string {
		var s string
		_ = json.Unmarshal(fields[name], &s) // of another type: not given
		return s
	}
	if id, err := uuid.Parse(text("event_id")); err == nil {
		l.EventID = &id
	}
	l.SessionID, l.RequestID = text("session_id"), text("request_id")
}

// labelStudioTask reads a task of Label Studio's JSON export: its data names
// the response, each annotation is one labeler's. A choice that is a label is
// the label, every other choice a reason; marked text is a span, a text area
// named like a correction or a note is that. What a model predicted is nobody's
// label and is passed over.
func labelStudioTask(element json.RawMessage) ([]importLine, error) {
	var task struct {
		Data        map[string]json.RawMessage `json:"data"`
		Annotations []studioAnnotation         `json:"annotations"`
	}
	if err := json.Unmarshal(element, &task); err != nil {
		return nil, errors.New("not a task of Label Studio")
	}
	if task.Data == nil {
		return labelStudioRow(element)
	}
	var lines []importLine
	for _, a := range task.Annotations {
		line := importLine{Labeler: a.labeler(), LabeledAt: firstTime(a.UpdatedAt, a.CreatedAt), skipped: a.Cancelled}
		if a.LeadTime > 0 && a.LeadTime < 1e9 {
			took := int64(a.LeadTime * 1000)
			line.ElapsedMS = &took
		}
		line.named(task.Data)
		for _, r := range a.Result {
			r.tell(&line)
		}
		lines = append(lines, line)
	}
	return lines, nil
}

type studioAnnotation struct {
	CompletedBy json.RawMessage `json:"completed_by"`
	Author      string          `json:"labeler"` // as our own export names them
	Cancelled   bool            `json:"was_cancelled"`
	CreatedAt   string          `json:"created_at"`
	UpdatedAt   string          `json:"updated_at"`
	LeadTime    float64         `json:"lead_time"` // seconds
	Result      []studioResult  `json:"result"`
}

func (a studioAnnotation) labeler() string {
	if a.Author != "" {
		return a.Author
	}
	return completedBy(a.CompletedBy)
}

// studioResult is what one control of the labeling interface holds.
type studioResult struct {
	FromName string `json:"from_name"`
	Type     string `json:"type"`
	Value    struct {
		Choices       []string        `json:"choices"`
		Taxonomy      [][]string      `json:"taxonomy"`
		Rating        *float64        `json:"rating"`
		Number        *float64        `json:"number"`
		Text          json.RawMessage `json:"text"`
		Start         json.RawMessage `json:"start"`
		End           json.RawMessage `json:"end"`
		GlobalOffsets struct {
			Start *int `json:"start"`
			End   *int `json:"end"`
		} `json:"globalOffsets"` // of text with markup
	} `json:"value"`
}

func (r studioResult) tell(line *importLine) {
	for _, choice := range r.Value.Choices {
		line.says(r.FromName, choice, aChoice)
	}
	for _, path := range r.Value.Taxonomy {
		line.says(r.FromName, strings.Join(path, " / "), aChoice)
	}
	for _, n := range []*float64{r.Value.Rating, r.Value.Number} {
		if n != nil {
			line.says(r.FromName, strconv.FormatFloat(*n, 'g', -1, 64), aRating)
		}
	}
	start, okStart := wholeNumber(r.Value.Start)
	end, okEnd := wholeNumber(r.Value.End)
	switch offsets := r.Value.GlobalOffsets; {
	case r.Type == "labels" && okStart && okEnd:
		line.Spans = append(line.Spans, Span{start, end})
	case r.Type == "hypertextlabels" && offsets.Start != nil && offsets.End != nil:
		line.Spans = append(line.Spans, Span{*offsets.Start, *offsets.End})
	case r.Type == "textarea":
		line.says(r.FromName, joinedText(r.Value.Text), aText)
	}
}

// labelStudioRow reads an element of Label Studio's JSON-MIN, where the
// results stand beside the data under the names of their controls.
func labelStudioRow(element json.RawMessage) ([]importLine, error) {
	var fields map[string]json.RawMessage
	var known struct {
		Annotator json.RawMessage `json:"annotator"`
		CreatedAt string          `json:"created_at"`
		UpdatedAt string          `json:"updated_at"`
		LeadTime  float64         `json:"lead_time"`
	}
	if json.Unmarshal(element, &fields) != nil || json.Unmarshal(element, &known) != nil || fields["annotation_id"] == nil {
		return nil, errors.New("not a task of Label Studio")
	}
	line := importLine{Labeler: completedBy(known.Annotator), LabeledAt: firstTime(known.UpdatedAt, known.CreatedAt)}
	line.named(fields)
	for _, name := range sortedNames(fields) {
		line.beside(name, fields[name])
	}
	return []importLine{line}, nil
}

// beside takes a field of a flat element that is a result and not data: a
// choice that is a label, several choices, a text area by its name, marked text.
func (l *importLine) beside(name string, raw json.RawMessage) {
	var one string
	var many struct {
		Choices []string `json:"choices"`
	}
	var marked []struct {
		Start  *int     `json:"start"`
		End    *int     `json:"end"`
		Labels []string `json:"labels"`
	}
	switch {
	case json.Unmarshal(raw, &one) == nil:
		if _, ok := labelOf(one); ok {
			l.says(name, one, aChoice)
		} else if textOf(name) != "" {
			l.says(name, one, aText)
		}
	case json.Unmarshal(raw, &marked) == nil && len(marked) > 0 && marked[0].Start != nil && marked[0].Labels != nil:
		for _, m := range marked {
			if m.Start != nil && m.End != nil {
				l.Spans = append(l.Spans, Span{*m.Start, *m.End})
			}
		}
	case json.Unmarshal(raw, &many) == nil:
		for _, choice := range many.Choices {
			l.says(name, choice, aChoice)
		}
	}
}

// completedBy is an id or an object with an address.
func completedBy(raw json.RawMessage) string {
	var who struct {
		Email string `json:"email"`
		ID    int64  `json:"id"`
	}
	if json.Unmarshal(raw, &who) == nil && (who.Email != "" || who.ID != 0) {
		if who.Email != "" {
			return who.Email
		}
		return "label-studio-" + strconv.FormatInt(who.ID, 10)
	}
	if id, ok := wholeNumber(raw); ok {
		return "label-studio-" + strconv.Itoa(id)
	}
	return ""
}

func wholeNumber(raw json.RawMessage) (int, bool) {
	n, err := strconv.Atoi(strings.Trim(string(raw), `"`))
	return n, err == nil
}

// joinedText is a text, or the lines of one.
func joinedText(raw json.RawMessage) string {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return one
	}
	var many []string
	_ = json.Unmarshal(raw, &many) // neither: no text
	return strings.Join(many, "\n")
}

func firstTime(texts ...string) *time.Time {
	for _, text := range texts {
		for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999", "2006-01-02 15:04:05"} {
			if at, err := time.Parse(layout, text); err == nil {
				return &at
			}
		}
	}
	return nil
}

// argillaResponse is one person's answer: to one question, or in the older
// shape to all of them.
type argillaResponse struct {
	User     string          `json:"user_id"`
	Status   string          `json:"status"` // "" where a version writes none: submitted
	Inserted string          `json:"inserted_at"`
	Updated  string          `json:"updated_at"`
	Value    json.RawMessage `json:"value"`
	Values   map[string]struct {
		Value json.RawMessage `json:"value"`
	} `json:"values"`
}

// argillaRecord reads a record of Argilla's JSON export, of its three shapes: a
// list of responses with their values, a list of values for each question, and
// the flat one of a data set, with columns named after the question. What a
// model suggested is nobody's label and is passed over.
func argillaRecord(element json.RawMessage) ([]importLine, error) {
	var fields map[string]json.RawMessage
	var record struct {
		ID         json.RawMessage            `json:"id"`
		ExternalID string                     `json:"external_id"`
		Metadata   map[string]json.RawMessage `json:"metadata"`
		Responses  json.RawMessage            `json:"responses"`
	}
	if json.Unmarshal(element, &fields) != nil || json.Unmarshal(element, &record) != nil {
		return nil, errors.New("not a record of Argilla")
	}
	base := importLine{}
	base.named(record.Metadata)
	if base.EventID == nil && base.RequestID == "" {
		base.named(flatMetadata(fields))
	}
	for _, id := range []string{record.ExternalID, strings.Trim(string(record.ID), `"`)} {
		if parsed, err := uuid.Parse(id); err == nil && base.EventID == nil && base.RequestID == "" {
			base.EventID = &parsed
		}
	}
	people := argillaPeople{base: base, given: givenBy(record.Metadata), lines: map[string]*importLine{}}
	var list []argillaResponse
	byQuestion := map[string][]argillaResponse{}
	switch {
	case record.Responses == nil:
		for question, responses := range flatResponses(fields) {
			byQuestion[question] = responses
		}
		people.takeQuestions(byQuestion)
	case json.Unmarshal(record.Responses, &list) == nil:
		for _, r := range list {
			line := people.of(r)
			for _, question := range sortedNames(r.Values) {
				line.answerArgilla(question, r.Values[question].Value)
			}
		}
	case json.Unmarshal(record.Responses, &byQuestion) == nil:
		people.takeQuestions(byQuestion)
	default:
		return nil, errors.New("its responses are of none of Argilla's shapes")
	}
	return people.all(), nil
}

// argillaPeople gathers the answers of each person to a record.
type argillaPeople struct {
	base  importLine
	given map[string]importLine // of a record of ours: who answered when
	lines map[string]*importLine
	order []string
}

func (p *argillaPeople) of(r argillaResponse) *importLine {
	line := p.lines[r.User]
	if line == nil {
		copied := p.base
		line = &copied
		line.Labeler = "argilla"
		if r.User != "" && r.User != "None" {
			line.Labeler = "argilla-" + r.User
		}
		if ours, ok := p.given[r.User]; ok {
			line.Labeler, line.LabeledAt = ours.Labeler, ours.LabeledAt
		}
		p.lines[r.User], p.order = line, append(p.order, r.User)
	}
	if at := firstTime(r.Updated, r.Inserted); at != nil {
		line.LabeledAt = at
	}
	line.skipped = line.skipped || r.Status != "" && r.Status != "submitted" // draft, discarded
	return line
}

func (p *argillaPeople) takeQuestions(byQuestion map[string][]argillaResponse) {
	for _, question := range sortedNames(byQuestion) {
		for _, r := range byQuestion[question] {
			p.of(r).answerArgilla(question, r.Value)
		}
	}
}

func (p *argillaPeople) all() []importLine {
	var lines []importLine
	for _, user := range p.order {
		lines = append(lines, *p.lines[user])
	}
	return lines
}

// flatMetadata are the columns metadata.NAME of a flat record.
func flatMetadata(fields map[string]json.RawMessage) map[string]json.RawMessage {
	found := map[string]json.RawMessage{}
	for name, value := range fields {
		if rest, ok := strings.CutPrefix(name, "metadata."); ok {
			found[rest] = value
		}
	}
	return found
}

// absentOr reports that a column is not there, or reads it.
func absentOr(raw json.RawMessage, into any) bool {
	return raw == nil || json.Unmarshal(raw, into) == nil
}

// flatResponses reads the columns QUESTION.responses, .responses.users and
// .responses.status of a flat record.
func flatResponses(fields map[string]json.RawMessage) map[string][]argillaResponse {
	found := map[string][]argillaResponse{}
	for name, raw := range fields {
		question, ok := strings.CutSuffix(name, ".responses")
		var values []json.RawMessage
		var users, states []string
		if !ok || json.Unmarshal(raw, &values) != nil || !absentOr(fields[name+".users"], &users) || !absentOr(fields[name+".status"], &states) {
			continue // nobody is named as the author of what is another's
		}
		for i, value := range values {
			r := argillaResponse{Value: value}
			if i < len(users) {
				r.User = users[i]
			}
			if i < len(states) {
				r.Status = states[i]
			}
			found[question] = append(found[question], r)
		}
	}
	return found
}

func sortedNames[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// answerArgilla takes the value of one question: a choice, several, a rating,
// a ranking, marked text, or a text.
func (l *importLine) answerArgilla(question string, raw json.RawMessage) {
	var parts []struct {
		Start *int `json:"start"`
		End   *int `json:"end"`
		Rank  *int `json:"rank"`
	}
	var many []string
	var number float64
	var one string
	switch {
	case json.Unmarshal(raw, &many) == nil:
		for _, choice := range many {
			l.says(question, choice, aChoice)
		}
	case json.Unmarshal(raw, &parts) == nil:
		for _, s := range parts {
			if s.Start != nil && s.End != nil {
				l.Spans = append(l.Spans, Span{*s.Start, *s.End})
			}
		}
	case json.Unmarshal(raw, &number) == nil:
		l.says(question, strconv.FormatFloat(number, 'g', -1, 64), aRating)
	case json.Unmarshal(raw, &one) == nil:
		kind := aChoice
		if _, ok := labelOf(one); !ok && (textOf(question) != "" || isProse(one)) {
			kind = aText
		}
		l.says(question, one, kind)
	}
}
