package telemetry

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"assay/internal/auth"
	"assay/internal/fault"
)

// annotation is what Phoenix clients say of a span: a person's, or a machine's.
type annotation struct {
	SpanID        string `json:"span_id"`
	Name          string `json:"name"`
	AnnotatorKind string `json:"annotator_kind"` // HUMAN, LLM or CODE
	Identifier    string `json:"identifier"`
	Result        struct {
		Label       string   `json:"label"`
		Score       *float64 `json:"score"`
		Explanation string   `json:"explanation"`
	} `json:"result"`
}

// IngestAnnotations takes annotations as Phoenix's span_annotations address
// has them, and returns their ids. A person's are feedback; a machine's are
// kept in their session and flag nothing. NotFound when a span is not here:
// nothing is taken then. Unavailable also when ClickHouse is away, since only
// it knows the spans.
func (s *Store) IngestAnnotations(ctx context.Context, actor auth.Actor, body []byte) ([]string, error) {
	if err := actor.Require(auth.SendEvents); err != nil {
		return nil, err
	}
	var request struct {
		Data []annotation `json:"data"`
	}
	if json.Unmarshal(body, &request) != nil || len(request.Data) == 0 {
		return nil, fault.Say(fault.Invalid, `The body is not as annotations have it: {"data":[{"span_id","name","annotator_kind","result":{…}}]}.`)
	}
	if len(request.Data) > maxEvents {
		return nil, errTooMany
	}
	scores, err := s.scoresOfAnnotations(ctx, request.Data)
	if err != nil {
		return nil, err
	}
	why, err := s.ingestScores(ctx, actor, scores)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(scores))
	for i, one := range scores {
		if why[i] != nil {
			return nil, fault.Say(fault.Invalid, "Annotation %d was not taken: %s.", i, why[i])
		}
		ids[i] = one.id()
	}
	return ids, nil
}

func (s *Store) scoresOfAnnotations(ctx context.Context, list []annotation) ([]score, error) {
	var ids []string
	for i := range list {
		list[i].SpanID = strings.ToLower(list[i].SpanID)
		if !validSpanID(list[i].SpanID) || list[i].Name == "" {
			return nil, fault.Say(fault.Invalid, "Annotation %d needs the id of a span, 16 hex digits, and a name.", i)
		}
		ids = append(ids, list[i].SpanID)
	}
	spans, err := s.whereSpansAre(ctx, ids)
	if err != nil {
		return nil, err
	}
	scores := make([]score, len(list))
	for i, a := range list {
		at, ok := spans[a.SpanID]
		if !ok {
			return nil, fault.Say(fault.NotFound, "Span %s of annotation %d is not here, or not yet. Nothing was taken; send the annotations again in a while.", a.SpanID, i)
		}
		scores[i] = a.score(at)
	}
	return scores, nil
}

// score is the annotation as a score of its span. Of a person's label and
// number that counts which says more.
func (a annotation) score(at spanPlace) score {
	one := score{
		TraceID: at.trace, ObservationID: a.SpanID, SessionID: at.session, Name: a.Name, Comment: a.Result.Explanation,
		human: strings.EqualFold(a.AnnotatorKind, "human"),
	}
	switch {
	case a.Result.Label != "" && (a.Result.Score == nil || opinion(a.Name, a.Result.Label) != ""):
		one.Value = a.Result.Label
	case a.Result.Score != nil:
		one.Value = *a.Result.Score
	default:
		one.Value = ""
	}
	if a.Identifier != "" {
		one.ID = a.SpanID + "/" + a.Name + "/" + a.Identifier
	}
	return one
}

type spanPlace struct{ trace, session string }

// whereSpansAre finds spans by their ids: model calls by an index, others
// among what came in the days that spans of a trace may take.
func (s *Store) whereSpansAre(ctx context.Context, ids []string) (map[string]spanPlace, error) {
	places := map[string]spanPlace{}
	scan := func(scan func(...any) error) error {
		var id string
		var p spanPlace
		err := scan(&id, &p.trace, &p.session)
		places[id] = p
		return err
	}
	err := s.eachRow(ctx, scan, `SELECT request_id, trace_id, session_id FROM `+allFacts+` WHERE request_id IN (?) AND trace_id != ''`, ids)
	if err != nil {
		return nil, err
	}
	missing := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { _, ok := places[id]; return ok })
	if len(missing) == 0 {
		return places, nil
	}
	err = s.eachRow(ctx, scan, `SELECT span_id, trace_id, session_id FROM `+allEvents+` WHERE span_id IN (?) AND drained_at > ?`,
		missing, time.Now().UTC().AddDate(0, 0, -threadDays))
	return places, err
}
