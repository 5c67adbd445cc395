--
-- PostgreSQL database dump
--
CREATE TABLE public.subscriber (
    id integer NOT NULL,
    username character varying(64) DEFAULT ''::character varying NOT NULL
);
COPY public.subscriber (id, username, domain, password, ha1, ha1b) FROM stdin;
1	alice	example.com		0123456789abcdef0123456789abcdef	fedcba9876543210fedcba9876543210
2	o'brien	example.com	a\\b\tc	\N	
\.
COPY public.acc (id) FROM stdin;
1
\.
