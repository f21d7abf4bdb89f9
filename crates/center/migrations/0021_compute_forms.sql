-- Jobs of before are dropped: what is kept of them has other forms (parts and holders of a shuffle, what was run, who worked).
DELETE FROM job;
DELETE FROM job_record;
DELETE FROM job_item;
DELETE FROM node_compute;
