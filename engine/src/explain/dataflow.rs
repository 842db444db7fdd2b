//! A dataflow as text: a node a line, with inputs, keys, arrangements and states by their storage numbers.

use tailwater_views::Expr;
use tailwater_views::dataflow::{
    Arrangement, Dataflow, JoinSide, NodeOperator, Pipeline, PipelineStep,
};

use super::expr::{expr_text, list_text};
use super::plan::call_text;

/// The dataflow as text: `number: operator …`, inputs before those that read them, the view's content last.
/// Columns are shown as `#position`. No line end after the last line.
#[must_use]
pub fn explain_dataflow(dataflow: &Dataflow) -> String {
    let lines: Vec<String> = dataflow
        .nodes
        .iter()
        .enumerate()
        .map(|(number, node)| format!("{number}: {}", operator_text(&node.operator, dataflow)))
        .collect();
    lines.join("\n")
}

fn operator_text(operator: &NodeOperator, dataflow: &Dataflow) -> String {
    match operator {
        NodeOperator::Source { storage, columns } => {
            let columns: Vec<String> = columns.iter().map(|id| id.0.to_string()).collect();
            format!("source {}  columns ({})", storage.0, columns.join(", "))
        }
        NodeOperator::Values { rows } => format!("values  ({} rows)", rows.len()),
        NodeOperator::Filter { input, predicate } => {
            let names = positions(dataflow, *input);
            format!("filter [{input}]  ({})", expr_text(predicate, &names))
        }
        NodeOperator::Project { input, exprs } => {
            let names = positions(dataflow, *input);
            format!("project [{input}]  ({})", list_text(exprs, &names))
        }
        NodeOperator::Join {
            left,
            right,
            residual,
        } => {
            let sides = [left, right].map(|side| side_text(side, dataflow));
            let mut text = format!("join {} with {}", sides[0], sides[1]);
            if let Some(residual) = residual {
                let count = width(dataflow, left.input) + width(dataflow, right.input);
                text.push_str(&format!("  if ({})", expr_text(residual, &numbered(count))));
            }
            text
        }
        NodeOperator::Aggregate {
            input,
            group,
            calls,
            state,
            values,
        } => {
            let names = positions(dataflow, *input);
            let calls: Vec<String> = calls.iter().map(|call| call_text(call, &names)).collect();
            let mut text = format!(
                "aggregate [{input}]  key ({})  ({})  state {}",
                list_text(group, &names),
                calls.join(", "),
                state.0
            );
            if let Some(values) = values {
                text.push_str(&format!(", values {}", values.0));
            }
            text
        }
        NodeOperator::Distinct { input, state } => format!("distinct [{input}]  state {}", state.0),
        NodeOperator::UnionAll { inputs } => {
            let inputs: Vec<String> = inputs.iter().map(|input| format!("[{input}]")).collect();
            format!("union all {}", inputs.join(" "))
        }
    }
}

fn side_text(side: &JoinSide, dataflow: &Dataflow) -> String {
    let names = positions(dataflow, side.input);
    let arranged = match &side.arrangement {
        Arrangement::Primary { source, .. } => {
            format!("primary key of {}", pipeline_text(source))
        }
        Arrangement::Index { index, source, .. } => {
            format!("index {} of {}", index.storage.0, pipeline_text(source))
        }
        Arrangement::State { storage } => format!("state {}", storage.0),
    };
    format!(
        "[{}] key ({}) in {arranged}",
        side.input,
        list_text(&side.keys, &names)
    )
}

fn pipeline_text(pipeline: &Pipeline) -> String {
    let mut text = pipeline.storage.0.to_string();
    let mut count = pipeline.columns.len();
    for step in &pipeline.steps {
        match step {
            PipelineStep::Filter(predicate) => {
                let predicate: &Expr = predicate;
                text.push_str(&format!(
                    " filter ({})",
                    expr_text(predicate, &numbered(count))
                ));
            }
            PipelineStep::Project(exprs) => {
                text.push_str(&format!(
                    " project ({})",
                    list_text(exprs, &numbered(count))
                ));
                count = exprs.len();
            }
        }
    }
    text
}

/// How many columns a node yields.
fn width(dataflow: &Dataflow, node: usize) -> usize {
    let Some(node) = dataflow.nodes.get(node) else {
        return 0;
    };
    match &node.operator {
        NodeOperator::Source { columns, .. } => columns.len(),
        NodeOperator::Values { rows } => rows.first().map_or(0, Vec::len),
        NodeOperator::Filter { input, .. } | NodeOperator::Distinct { input, .. } => {
            width(dataflow, *input)
        }
        NodeOperator::Project { exprs, .. } => exprs.len(),
        NodeOperator::Join { left, right, .. } => {
            width(dataflow, left.input) + width(dataflow, right.input)
        }
        NodeOperator::Aggregate { group, calls, .. } => group.len() + calls.len(),
        NodeOperator::UnionAll { inputs } => {
            inputs.first().map_or(0, |input| width(dataflow, *input))
        }
    }
}

fn positions(dataflow: &Dataflow, node: usize) -> Vec<String> {
    numbered(width(dataflow, node))
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|place| format!("#{place}")).collect()
}
