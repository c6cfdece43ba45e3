
SELECT 1abc, "a""b", été, ÉTÉ, ΑΒΓ, ДЖ, t.desc FROM 1t ORDER BY t.desc