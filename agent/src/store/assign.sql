-- Gives every run without a series its series and its campaign.
CREATE TEMP VIEW unassigned AS
SELECT run.id AS run, session.campaign AS campaign, run.model, run.model_sha256,
       coalesce(run.case_id, '') AS case_id, run.shapes, run.precision, run.engine, run.backend, run.backend_detail,
       run.browser_name,
       concat_ws(' ', nullif(run.adapter_vendor, ''), nullif(run.adapter_architecture, ''),
                 nullif(run.adapter_description, ''))
           || iif(run.adapter_is_fallback, ' (software)', '') AS adapter,
       coalesce(campaign.host, '') AS host, coalesce(campaign.cpu_model, '') AS cpu_model
FROM run
LEFT JOIN session ON session.id = run.session
LEFT JOIN campaign ON campaign.id = session.campaign
WHERE run.series IS NULL;

INSERT INTO series (model, model_sha256, case_id, shapes, precision, engine, backend, backend_detail, browser_name, adapter,
                    host, cpu_model)
SELECT DISTINCT model, model_sha256, case_id, shapes, precision, engine, backend, backend_detail, browser_name, adapter,
                host, cpu_model
FROM unassigned WHERE true
ON CONFLICT DO NOTHING;

UPDATE run SET series = found.id, campaign = found.campaign
FROM (
    SELECT unassigned.run, unassigned.campaign, series.id
    FROM unassigned
    JOIN series USING (model, model_sha256, case_id, shapes, precision, engine, backend, backend_detail, browser_name,
                       adapter, host, cpu_model)
) AS found
WHERE run.id = found.run;

DROP VIEW unassigned;
