package web

import (
	"time"

	"github.com/gofiber/fiber/v2"

	"assay/labeling"
)

// versionAnswer is a version of a dataset as the API gives it.
type versionAnswer struct {
	Version   int                    `json:"version"`
	State     string                 `json:"state"`
	Filter    labeling.DatasetFilter `json:"filter"`
	Labels    int64                  `json:"labels"`
	Done      int64                  `json:"done"`
	Items     int64                  `json:"items"`
	SHA256    string                 `json:"sha256,omitempty"`
	FailedWhy string                 `json:"failed_why,omitempty"`
	CreatedBy string                 `json:"created_by"`
	CreatedAt time.Time              `json:"created_at"`
	FrozenAt  *time.Time             `json:"frozen_at"`
}

func answerVersion(v labeling.DatasetVersion) versionAnswer {
	return versionAnswer{v.Version, v.State, v.Filter, v.Total, v.Done, v.Items, v.Hash(), v.FailedWhy, v.CreatedBy, v.CreatedAt, v.FrozenAt}
}

// datasetAnswer is a dataset with its newest version, or with all of them.
type datasetAnswer struct {
	Dataset  string          `json:"dataset"`
	Title    string          `json:"title"`
	Newest   versionAnswer   `json:"newest"`
	Versions []versionAnswer `json:"versions,omitempty"`
	Exports  []exportAnswer  `json:"exports,omitempty"`
}

// exportAnswer is a file as the API gives it.
type exportAnswer struct {
	ID        int64     `json:"id"`
	Dataset   string    `json:"dataset"`
	Version   int       `json:"version"`
	Format    string    `json:"format"`
	State     string    `json:"state"`
	Labels    int64     `json:"labels"`
	Done      int64     `json:"done"`
	Bytes     int64     `json:"bytes"`
	SHA256    string    `json:"sha256,omitempty"`
	FailedWhy string    `json:"failed_why,omitempty"`
	ExpiresAt time.Time `json:"expires_at"`
}

func answerExport(e labeling.ExportFile) exportAnswer {
	return exportAnswer{e.ID, e.Dataset, e.Version, e.Format, e.State, e.Total, e.Done, e.Bytes, e.Hash(), e.FailedWhy, e.ExpiresAt}
}

func (s *site) datasetsAPI(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	list, err := labels.Datasets(c.UserContext(), actorOf(c))
	if err != nil {
		return err
	}
	answer := struct {
		Datasets []datasetAnswer `json:"datasets"`
	}{[]datasetAnswer{}}
	for _, d := range list {
		answer.Datasets = append(answer.Datasets, datasetAnswer{Dataset: d.Slug, Title: d.Title, Newest: answerVersion(d.Newest)})
	}
	return c.JSON(answer)
}

func (s *site) datasetAPI(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	ctx, actor := c.UserContext(), actorOf(c)
	d, versions, err := labels.Dataset(ctx, actor, param(c, "dataset"))
	if err != nil {
		return err
	}
	files, err := labels.Exports(ctx, actor, d.ID)
	if err != nil {
		return err
	}
	answer := datasetAnswer{Dataset: d.Slug, Title: d.Title, Newest: answerVersion(d.Newest)}
	for _, v := range versions {
		answer.Versions = append(answer.Versions, answerVersion(v))
	}
	for _, f := range files {
		answer.Exports = append(answer.Exports, answerExport(f))
	}
	return c.JSON(answer)
}

func (s *site) datasetFreezeAPI(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	var in struct {
		Title string `json:"title"`
		labeling.DatasetFilter
	}
	if err := readJSON(c, &in); err != nil {
		return err
	}
	made, err := labels.Freeze(c.UserContext(), actorOf(c), in.Title, in.DatasetFilter)
	if err != nil {
		return err
	}
	return c.Status(fiber.StatusAccepted).JSON(datasetAnswer{Dataset: made.Slug, Title: made.Title, Newest: answerVersion(made.Newest)})
}

func (s *site) datasetExportAPI(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	var in struct {
		Version int    `json:"version"` // 0: the newest
		Format  string `json:"format"`
	}
	if err := readJSON(c, &in); err != nil {
		return err
	}
	ctx, actor := c.UserContext(), actorOf(c)
	_, versions, err := labels.Dataset(ctx, actor, param(c, "dataset"))
	if err != nil {
		return err
	}
	for i, v := range versions {
		if v.Version == in.Version || in.Version == 0 && i == 0 {
			file, err := labels.RequestExport(ctx, actor, v.ID, in.Format)
			if err != nil {
				return err
			}
			return c.Status(fiber.StatusAccepted).JSON(answerExport(file))
		}
	}
	return errNoVersion
}

func (s *site) exportAPI(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	id, err := idParam(c, "export")
	if err != nil {
		return err
	}
	file, err := labels.ExportFile(c.UserContext(), actorOf(c), id)
	if err != nil {
		return err
	}
	return c.JSON(answerExport(file))
}

func (s *site) exportRetryAPI(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	id, err := idParam(c, "export")
	if err != nil {
		return err
	}
	ctx, actor := c.UserContext(), actorOf(c)
	if err := labels.RetryExport(ctx, actor, id); err != nil {
		return err
	}
	file, err := labels.ExportFile(ctx, actor, id)
	if err != nil {
		return err
	}
	return c.Status(fiber.StatusAccepted).JSON(answerExport(file))
}

const freezeSchema = `{"type":"object","required":["title"],"properties":{"title":{"type":"string","maxLength":120},"queue":{"type":"string"},"task_class":{"type":"string"},
	"label":{"enum":["correct","partially_correct","hallucinated","cannot_tell"]},"from":{"type":"string","format":"date-time"},"to":{"type":"string","format":"date-time"},
	"consensus_only":{"type":"boolean"},"rates_only":{"type":"boolean"}}}`

const exportSchema = `{"type":"object","required":["format"],"properties":{"version":{"type":"integer","description":"without it, the newest"},"format":{"enum":["jsonl","csv","parquet","label-studio","argilla","records"],"description":"records: the bytes that the content hash is of"}}}`

const exportStateSchema = `{"type":"object","required":["id","state"],"properties":{"id":{"type":"integer"},"dataset":{"type":"string"},"version":{"type":"integer"},"format":{"type":"string"},
	"state":{"enum":["waiting","done","failed","expired"]},"labels":{"type":"integer"},"done":{"type":"integer"},"bytes":{"type":"integer"},"sha256":{"type":"string"},
	"failed_why":{"type":"string"},"expires_at":{"type":"string","format":"date-time"}}}`

var datasetOperations = map[string]operation{
	"GET /v1/datasets":                   {Summary: "The datasets, each with its newest version.", Answers: map[int]content{200: {Words: "datasets"}}},
	"POST /v1/datasets":                  {Summary: "Freeze a version of what the filter selects now; a title that is there gets its next version. A job copies it: ask for the dataset until its state is frozen.", Body: &content{Schema: freezeSchema}, Answers: map[int]content{202: {Words: "the dataset"}}},
	"GET /v1/datasets/:dataset":          {Summary: "A dataset with all its versions and files.", Answers: map[int]content{200: {Words: "the dataset"}}},
	"POST /v1/datasets/:dataset/exports": {Summary: "A file of a frozen version. A job writes it: ask for the export until its state is done.", Body: &content{Schema: exportSchema}, Answers: map[int]content{202: {Words: "the export", Schema: exportStateSchema}}},
	"GET /v1/exports/:export":            {Summary: "How far a file is, and why it failed.", Answers: map[int]content{200: {Words: "the export", Schema: exportStateSchema}}},
	"GET /v1/exports/:export/file":       {Summary: "The bytes of a file that is done. Every opening is in the audit.", Answers: map[int]content{200: {Type: "application/octet-stream", Words: "the file"}}},
	"POST /v1/exports/:export/retry":     {Summary: "Have a file that failed written again.", Answers: map[int]content{202: {Words: "the export", Schema: exportStateSchema}}},
}
