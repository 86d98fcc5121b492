-- Google Cloud, Log Analytics: who spent what in the last 30 days. Replace my-project.
SELECT
  JSON_VALUE(json_payload, '$.person') AS person,
  JSON_VALUE(json_payload, '$.gemini') AS model,
  COUNT(*) AS answers,
  SUM(SAFE_CAST(JSON_VALUE(json_payload, '$.tokens.in') AS INT64)) AS input_tokens,
  SUM(SAFE_CAST(JSON_VALUE(json_payload, '$.tokens.cached') AS INT64)) AS cached_tokens,
  SUM(SAFE_CAST(JSON_VALUE(json_payload, '$.tokens.out') AS INT64)) AS output_tokens,
  ROUND(SUM(SAFE_CAST(JSON_VALUE(json_payload, '$.usd') AS FLOAT64)), 4) AS usd
FROM `my-project.global._Default._AllLogs`
WHERE
  resource.type = 'cloud_run_revision'
  AND JSON_VALUE(resource.labels, '$.service_name') = 'messages'
  AND JSON_VALUE(json_payload, '$.path') = '/v1/messages'
  AND timestamp > TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 30 DAY)
GROUP BY person, model
ORDER BY usd DESC
