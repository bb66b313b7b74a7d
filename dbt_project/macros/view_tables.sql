{# Lay a view over the Parquet file of every source table. Views, because column lineage is lost
   where a source is read straight from its file. Folders such as `v=<version>` are no columns. A
   source that nothing reads is declared alone. The environment tells the file of each
   "<source>.<table>": variables of the command line would have the project parsed anew. #}
{% macro view_tables() -%}
    {%- if execute -%}
        {%- set files = fromjson(env_var("DATAFIRST_TABLES", "{}")) -%}
        {%- set read = [] -%}
        {%- for node in graph.nodes.values() -%}
            {%- do read.extend(node.depends_on.nodes) -%}
        {%- endfor -%}
        {%- for source in graph.sources.values()
            | selectattr("unique_id", "in", read) | sort(attribute="unique_id") -%}
            {%- set label = source.source_name ~ "." ~ source.name -%}
            {%- set path = files.get(label) -%}
            {%- if path is none -%}
                {%- do exceptions.raise_compiler_error("No file is given for " ~ label) -%}
            {%- endif -%}
            create schema if not exists {{ source.schema }};
            create or replace view {{ source.relation_name }} as
            select *
            from read_parquet('{{ path | replace("'", "''") }}', hive_partitioning = false);
        {% endfor -%}
    {%- endif -%}
{%- endmacro %}
