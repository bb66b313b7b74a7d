{# Lay a view over the files of every source table. Views, because column lineage is lost where a
   source is read straight from its files. A source that nothing reads is declared alone. The
   environment tells the SQL that reads each "<source>.<table>": variables of the command line
   would have the project parsed anew. #}
{% macro view_tables() -%}
    {%- if execute -%}
        {%- set tables = fromjson(env_var("DATAFIRST_TABLES", "{}")) -%}
        {%- set read = [] -%}
        {%- for node in graph.nodes.values() -%}
            {%- do read.extend(node.depends_on.nodes) -%}
        {%- endfor -%}
        {%- for source in graph.sources.values()
            | selectattr("unique_id", "in", read) | sort(attribute="unique_id") -%}
            {%- set label = source.source_name ~ "." ~ source.name -%}
            {%- set rows = tables.get(label) -%}
            {%- if rows is none -%}
                {%- do exceptions.raise_compiler_error("Nothing is given to read for " ~ label) -%}
            {%- endif -%}
            create schema if not exists {{ source.schema }};
            create or replace view {{ source.relation_name }} as
            select *
            from {{ rows }};
        {% endfor -%}
    {%- endif -%}
{%- endmacro %}
