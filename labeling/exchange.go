package labeling

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
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
	FormatLabelStudio = "label-studio" // Label Studio's JSON: an array of tasks with annotations
	FormatArgilla     = "argilla"      // Argilla's JSON: an array of records with responses
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
	head = bytes.TrimSpace(bytes.TrimPrefix(head, []byte("\ufeff")))
	switch {
	case len(head) == 0 || head[0] == '{':
		return FormatLines, nil
	case head[0] == '[' && bytes.Contains(head, []byte(`"annotations"`)):
		return FormatLabelStudio, nil
	case head[0] == '[' && bytes.Contains(head, []byte(`"responses"`)):
		return FormatArgilla, nil
	}
	first, _, _ := bytes.Cut(head, []byte("\n"))
	if bytes.Contains(first, []byte("label")) && bytes.Contains(first, []byte(",")) {
		return FormatCSV, nil
	}
	return "", fault.Say(fault.Invalid, "The file begins like none of the formats that are read: %s. Name its format.", strings.Join(ImportFormats, ", "))
}

func sourceOf(format string, file *bufio.Reader) (source, error) {
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

func linesOf(file io.Reader) source {
	return func(take func(importLine, error) bool) error {
		scanner := bufio.NewScanner(file)
		scanner.Buffer(make([]byte, 64<<10), maxImportLine)
		number := 0
		for scanner.Scan() {
			text := strings.TrimSpace(scanner.Text())
			if text == "" {
				continue
			}
			number++
			if !take(parseImportLine(text, number)) {
				return nil
			}
		}
		if errors.Is(scanner.Err(), bufio.ErrTooLong) {
			return fault.Say(fault.Invalid, "Line %d is longer than 1 MB. The %d lines before it are read; cut that line and send the file again.", number+1, number)
		}
		return scanner.Err()
	}
}

// rowsOf reads a table: the columns of the export that an import knows, in any
// order. An apostrophe that the export put before what a program would take
// for a formula is dropped.
func rowsOf(file io.Reader) source {
	return func(take func(importLine, error) bool) error {
		table := csv.NewReader(file)
		table.LazyQuotes = true
		head, err := table.Read()
		if err != nil {
			return fault.Say(fault.Invalid, "The table has no head with the names of its columns.")
		}
		head[0] = strings.TrimPrefix(head[0], "\ufeff")
		for number := 1; ; number++ {
			row, err := table.Read()
			if errors.Is(err, io.EOF) {
				return nil
			}
			line := importLine{number: number}
			if err == nil {
				line, err = rowLine(head, row, number)
			}
			if !take(line, err) {
				return nil
			}
		}
	}
}

func rowLine(head, row []string, number int) (importLine, error) {
	values := map[string]json.RawMessage{}
	for i, column := range head {
		text := row[i]
		if strings.HasPrefix(text, "'") {
			text = text[1:]
		} else if text == "" {
			continue
		}
		switch column {
		case "reasons", "spans":
			if !json.Valid([]byte(text)) {
				return importLine{number: number}, fmt.Errorf("%s is not a JSON list", column)
			}
			values[column] = json.RawMessage(text)
		default:
			values[column], _ = json.Marshal(text)
		}
	}
	text, err := json.Marshal(values)
	if err != nil {
		return importLine{number: number}, err
	}
	return parseImportLine(string(text), number)
}

// elementsOf reads a JSON array element by element; each gives the labels of
// its annotators.
func elementsOf(file io.Reader, read func(json.RawMessage) ([]importLine, error)) source {
	return func(take func(importLine, error) bool) error {
		decoder := json.NewDecoder(file)
		if token, err := decoder.Token(); err != nil || token != json.Delim('[') {
			return fault.Say(fault.Invalid, "The file is not a JSON array.")
		}
		for number := 1; decoder.More(); number++ {
			var element json.RawMessage
			if err := decoder.Decode(&element); err != nil {
				return fault.Say(fault.Invalid, "The JSON breaks off in element %d. What was before it is read.", number)
			}
			lines, err := read(element)
			if err != nil && !take(importLine{number: number}, err) {
				return nil
			}
			for _, line := range lines {
				line.number = number
				if !take(checkedLine(line)) {
					return nil
				}
			}
		}
		return nil
	}
}

// checkedLine gives a converted label its key and holds it to the rules of a line.
func checkedLine(line importLine) (importLine, error) {
	text, err := json.Marshal(line)
	if err != nil {
		return line, err
	}
	sum := sha256.Sum256(text)
	line.key = "import/" + hex.EncodeToString(sum[:])
	err = line.check()
	return line, err
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

// labelOf reads a choice as a label: "Partially correct" and
// "partially_correct" are the same.
func labelOf(choice string) (string, bool) {
	code := codeOf(choice)
	return code, slices.Contains(Labels, code)
}

func codeOf(choice string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(choice), func(r rune) bool { return r == ' ' || r == '-' || r == '_' }), "_")
}

// labelStudioTask reads a task of Label Studio's JSON export: its data names
// the response, each annotation that was not cancelled is one labeler's. A
// choice that is a label is the label, every other choice a reason; marked
// text is a span, a text area named note or correction is that.
func labelStudioTask(element json.RawMessage) ([]importLine, error) {
	var task struct {
		Data        map[string]json.RawMessage `json:"data"`
		Annotations []struct {
			CompletedBy json.RawMessage `json:"completed_by"`
			Cancelled   bool            `json:"was_cancelled"`
			CreatedAt   string          `json:"created_at"`
			UpdatedAt   string          `json:"updated_at"`
			Result      []struct {
				FromName string `json:"from_name"`
				Type     string `json:"type"`
				Value    struct {
					Choices []string        `json:"choices"`
					Labels  []string        `json:"labels"`
					Text    json.RawMessage `json:"text"`
					Start   json.RawMessage `json:"start"`
					End     json.RawMessage `json:"end"`
				} `json:"value"`
			} `json:"result"`
		} `json:"annotations"`
	}
	if err := json.Unmarshal(element, &task); err != nil {
		return nil, errors.New("not a task of Label Studio")
	}
	var lines []importLine
	for _, a := range task.Annotations {
		if a.Cancelled {
			continue
		}
		line := importLine{Labeler: completedBy(a.CompletedBy), LabeledAt: firstTime(a.UpdatedAt, a.CreatedAt)}
		line.named(task.Data)
		for _, r := range a.Result {
			for _, choice := range r.Value.Choices {
				line.choose(choice)
			}
			start, okStart := wholeNumber(r.Value.Start)
			end, okEnd := wholeNumber(r.Value.End)
			if r.Type == "labels" && okStart && okEnd {
				line.Spans = append(line.Spans, Span{start, end})
			}
			if r.Type == "textarea" {
				line.write(r.FromName, joinedText(r.Value.Text))
			}
		}
		lines = append(lines, line)
	}
	return lines, nil
}

// choose takes one choice of an annotator.
func (l *importLine) choose(choice string) {
	if label, ok := labelOf(choice); ok {
		l.Label = &label
	} else if code := codeOf(choice); code != "" {
		l.Reasons = append(l.Reasons, code)
	}
}

// write takes a text of an annotator by the name of its field.
func (l *importLine) write(field, text string) {
	if strings.Contains(strings.ToLower(field), "correct") {
		l.Correction = text
	} else {
		l.Note = text
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

// argillaRecord reads a record of Argilla's JSON export, of both shapes: a list
// of responses with their values, or a list of values for each question. A
// question's choice that is a label is the label, other choices are reasons,
// a question named like note, comment or correction is that.
func argillaRecord(element json.RawMessage) ([]importLine, error) {
	var record struct {
		ID         json.RawMessage            `json:"id"`
		ExternalID string                     `json:"external_id"`
		Metadata   map[string]json.RawMessage `json:"metadata"`
		Responses  json.RawMessage            `json:"responses"`
	}
	if err := json.Unmarshal(element, &record); err != nil {
		return nil, errors.New("not a record of Argilla")
	}
	base := importLine{}
	base.named(record.Metadata)
	for _, id := range []string{record.ExternalID, strings.Trim(string(record.ID), `"`)} {
		if parsed, err := uuid.Parse(id); err == nil && base.EventID == nil && base.RequestID == "" {
			base.EventID = &parsed
		}
	}
	type response struct {
		User     string          `json:"user_id"`
		Status   string          `json:"status"`
		Inserted string          `json:"inserted_at"`
		Updated  string          `json:"updated_at"`
		Value    json.RawMessage `json:"value"`
		Values   map[string]struct {
			Value json.RawMessage `json:"value"`
		} `json:"values"`
	}
	byUser := map[string]*importLine{}
	var order []string
	of := func(r response) *importLine {
		line := byUser[r.User]
		if line == nil {
			copied := base
			line = &copied
			line.Labeler = "argilla"
			if r.User != "" {
				line.Labeler = "argilla-" + r.User
			}
			byUser[r.User], order = line, append(order, r.User)
		}
		if at := firstTime(r.Updated, r.Inserted); at != nil {
			line.LabeledAt = at
		}
		return line
	}
	var list []response
	byQuestion := map[string][]response{}
	switch {
	case json.Unmarshal(record.Responses, &list) == nil:
		for _, r := range list {
			if r.Status == "" || r.Status == "submitted" {
				for _, question := range sortedNames(r.Values) {
					of(r).answerArgilla(question, r.Values[question].Value)
				}
			}
		}
	case json.Unmarshal(record.Responses, &byQuestion) == nil:
		for _, question := range sortedNames(byQuestion) {
			for _, r := range byQuestion[question] {
				if r.Status == "" || r.Status == "submitted" {
					of(r).answerArgilla(question, r.Value)
				}
			}
		}
	default:
		return nil, errors.New("its responses are of neither shape of Argilla")
	}
	var lines []importLine
	for _, user := range order {
		lines = append(lines, *byUser[user])
	}
	return lines, nil
}

func sortedNames[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// answerArgilla takes the value of one question: a choice, several, marked
// text, or a text.
func (l *importLine) answerArgilla(question string, raw json.RawMessage) {
	var spans []struct {
		Start *int `json:"start"`
		End   *int `json:"end"`
	}
	if json.Unmarshal(raw, &spans) == nil && len(spans) > 0 && spans[0].Start != nil && spans[0].End != nil {
		for _, s := range spans {
			if s.Start != nil && s.End != nil {
				l.Spans = append(l.Spans, Span{*s.Start, *s.End})
			}
		}
		return
	}
	var many []string
	if json.Unmarshal(raw, &many) == nil {
		for _, choice := range many {
			l.choose(choice)
		}
		return
	}
	var one string
	if json.Unmarshal(raw, &one) != nil {
		return // a rating or a ranking says nothing of the four labels
	}
	if _, ok := labelOf(one); ok {
		l.choose(one)
		return
	}
	name := strings.ToLower(question)
	for _, text := range []string{"note", "comment", "correct", "text", "explan"} {
		if strings.Contains(name, text) {
			l.write(question, one)
			return
		}
	}
	l.choose(one)
}
