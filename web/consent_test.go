package web

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"assay/internal/auth"
)

func TestConsentsAreRecordedAndSeenByTheAuditor(t *testing.T) {
	w := newTelemetryWorld(t)
	b, header := w.sender(), http.Header{"Content-Type": {"application/json"}}
	auditor := w.as(auth.Auditor)
	if got := auditor.get("/audit/consents").want(200).text("main"); !strings.Contains(got, "No consent is recorded") {
		t.Errorf("an empty log says how to fill it: %s", clip(got, 300))
	}
	var list []string
	for i := range 60 {
		list = append(list, fmt.Sprintf(`{"user_id_hash":"u:sha256:%04d","action":"given","consent":"redacted"}`, i))
	}
	list = append(list, `{"user_id_hash":"u:sha256:0003","consent_id":"<script>alert(1)</script>","action":"withdrawn"}`)
	body := "[" + strings.Join(list, ",") + "]"
	if got := b.send("POST", "/v1/consents", strings.NewReader(body), header).want(201).Body; got != `{"recorded":61,"duplicate":0}` {
		t.Errorf("%s", got)
	}
	b.send("POST", "/v1/consents", strings.NewReader(`{"action":"given"}`), header).want(400)
	w.stranger().send("POST", "/v1/consents", strings.NewReader(body), header).want(401)

	page := auditor.get("/audit/consents").want(200)
	noMarkup(t, page)
	if got := page.text("main"); !strings.Contains(got, "61 words") || !strings.Contains(got, "withdrawn") {
		t.Errorf("%s", clip(got, 500))
	}
	if rows := len(page.find("tbody tr")); rows != 50 {
		t.Errorf("a page has 50, got %d", rows)
	}
	if rows := len(auditor.get(page.attr(".table-foot a[href*='before=']", "href")).want(200).find("tbody tr")); rows != 11 {
		t.Errorf("the next has the rest, got %d", rows)
	}
	one := auditor.get("/audit/consents?person=u:sha256:0003").want(200)
	if rows := len(one.find("tbody tr")); rows != 2 {
		t.Errorf("one person's are two, got %d", rows)
	}
	if got := auditor.get("/audit/consents?person=nobody").want(200).text("main"); !strings.Contains(got, "No entry matches") {
		t.Errorf("%s", clip(got, 300))
	}
	var answer struct {
		Consents []map[string]any
		Total    int
		Older    string
	}
	auditor.get("/v1/consents?action=given&limit=10").want(200).json(&answer)
	if len(answer.Consents) != 10 || answer.Total != 60 || answer.Older == "" {
		t.Errorf("%d of %d, older %q", len(answer.Consents), answer.Total, answer.Older)
	}
	w.as(auth.Engineer).get("/audit/consents").want(403)
	w.as(auth.ReleaseManager).get("/v1/consents").want(403)
}
