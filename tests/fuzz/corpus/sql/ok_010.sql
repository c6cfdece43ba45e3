
SELECT * FROM a, b AS x, c y(p, q) JOIN d ON p = q LEFT JOIN e USING (k, l) CROSS JOIN f FULL OUTER JOIN g ON (1=1)